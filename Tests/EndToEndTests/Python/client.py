#!/usr/bin/env python3
"""What buyers do, through the official OpenAI client: client.py SCENARIO BASE_URL [ARGUMENT].

Each scenario asserts, and the process fails with its assertion. Lines on standard output tell the test how far it is.
"""

import sys
import threading

import openai

MESSAGES = [{"role": "user", "content": "How does a relay work?"}]


def client(base_url):
    # A retry would hide what the test wants to see.
    return openai.OpenAI(base_url=base_url + "/v1", max_retries=0, timeout=60)


def first_model(api):
    return api.models.list().data[0].id


def lists_models(base_url):
    models = client(base_url).models.list().data
    assert len(models) == 1, models
    model = models[0]
    assert model.object == "model" and model.owned_by == "macprovider", model
    assert model.created > 1_700_000_000, model
    assert model.context_length == model.max_model_len == model.max_context_tokens > 0, model
    assert model.provider_count == 1 and model.total_slots >= 1, model


def streams(base_url):
    api = client(base_url)
    chunks = list(
        api.chat.completions.create(
            model=first_model(api),
            messages=MESSAGES,
            stream=True,
            max_tokens=16,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text.strip(), chunks
    assert len([c for c in chunks if c.choices and c.choices[0].delta.content]) > 1, "one chunk is no stream"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] in ("stop", "length"), chunks[-1]
    usages = [c.usage for c in chunks if getattr(c, "usage", None)]
    assert usages and usages[-1].completion_tokens > 0 and usages[-1].prompt_tokens > 0, usages


def completes(base_url):
    api = client(base_url)
    raw = api.chat.completions.with_raw_response.create(model=first_model(api), messages=MESSAGES, max_tokens=16)
    assert raw.headers["x-request-id"], raw.headers
    assert raw.headers["x-macprovider-provider"] and raw.headers["x-macprovider-route"], raw.headers
    answer = raw.parse()
    assert answer.choices[0].message.role == "assistant" and answer.choices[0].message.content.strip(), answer
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0, answer


def streams_in_two_languages(base_url):
    """Bytes of more than one each, in the question and, from the demo model, whatever comes back."""
    api = client(base_url)
    messages = [{"role": "system", "content": "Antworte kurz, höflich und mit 🙂."}, {"role": "user", "content": "“你好” \u2028\t\\ \" /"}]
    answer = api.chat.completions.create(model=first_model(api), messages=messages, max_tokens=8)
    assert answer.choices[0].message.content, answer


def maps_errors(base_url):
    api = client(base_url)
    model = first_model(api)

    def expect(kind, code, **arguments):
        try:
            api.chat.completions.create(**{"model": model, "messages": MESSAGES, **arguments})
        except kind as error:
            assert error.code == code, (error.code, error.body)
            assert error.message and error.type == "invalid_request_error", error.body
        else:
            raise AssertionError(f"no {kind.__name__}")

    for stream in (False, True):
        expect(openai.NotFoundError, "model_not_found", model="no-such-model", stream=stream)
        expect(openai.BadRequestError, "invalid_request", messages=[], stream=stream)
        expect(openai.BadRequestError, "invalid_request", temperature=3, stream=stream)
        expect(openai.BadRequestError, "invalid_tools", tools=[{"type": "function", "function": {}}], stream=stream)
    # The connection is fit for use after each of them.
    assert first_model(api) == model


def finds_nobody(base_url, model):
    try:
        client(base_url).chat.completions.create(model=model, messages=MESSAGES)
    except openai.InternalServerError as error:
        assert error.status_code == 503 and error.code == "no_provider_available", error.body
        assert error.type == "service_unavailable", error.body
    else:
        raise AssertionError("no error")


def hears_a_broken_stream(base_url):
    api = client(base_url)
    stream = api.chat.completions.create(model=first_model(api), messages=MESSAGES, stream=True, max_tokens=4000)
    try:
        for number, chunk in enumerate(chunk for chunk in stream if chunk.choices[0].delta.content):
            if number == 0:
                print("first token", flush=True)
    except openai.APIError as error:
        assert not isinstance(error, openai.APIConnectionError), error
        assert error.code == "provider_disconnect" and error.type == "server_error", error.body
    else:
        raise AssertionError("the stream ended as if it were whole")


def leaves(base_url):
    api = client(base_url)
    stream = api.chat.completions.create(model=first_model(api), messages=MESSAGES, stream=True, max_tokens=4000)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    stream.close()
    api.close()
    print("left", flush=True)


def say(line):
    """In one piece: print() writes the line break apart, and another thread's line may come between."""
    print(line + "\n", end="", flush=True)


def holds_streams(base_url, count):
    """Opens streams at the same time and reads all of them to the end."""
    api = client(base_url)
    model = first_model(api)
    failures = []

    def read(number):
        try:
            reason = None
            first = True
            stream = api.chat.completions.create(model=model, messages=MESSAGES, stream=True, max_tokens=80, seed=number)
            for chunk in stream:
                if chunk.choices[0].delta.content and first:
                    say(f"streaming {number}")
                    first = False
                reason = chunk.choices[0].finish_reason or reason
            assert reason in ("stop", "length"), reason
            say(f"complete {number}")
        except Exception as error:  # a thread's failure is the process's
            failures.append(error)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(int(count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
    print("passed")
