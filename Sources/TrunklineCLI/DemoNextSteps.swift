import Agent

/// What to try next: each line can be pasted as it stands.
enum DemoNextSteps {
    static func text(_ addresses: CoordinatorService.Addresses, operatorKey: String) -> String {
        let model = DemoEngine.modelID.description
        return """
            The endpoint stays up. In another terminal:

              # ask
              trunkline chat --url \(addresses.buyerURL) "Tell me more"

              # the same with curl
              curl -N \(addresses.buyerURL)/v1/chat/completions -H 'Content-Type: application/json' \\
                -d '{"model":"\(model)","stream":true,"messages":[{"role":"user","content":"Hello"}]}'

              # and in Python (pip install openai)
              python3 -c '
              from openai import OpenAI
              client = OpenAI(base_url="\(addresses.buyerURL)/v1", api_key="none")
              messages = [{"role": "user", "content": "Hello"}]
              for chunk in client.chat.completions.create(model="\(model)", stream=True, messages=messages):
                  if chunk.choices: print(chunk.choices[0].delta.content or "", end="", flush=True)
              '

              # lend another machine, or this one's engine
              trunkline provide --coordinator \(addresses.providerURL) --engine http://127.0.0.1:11434

              # watch the pool
              curl -H 'Authorization: Bearer \(operatorKey)' \(addresses.operatorURL)/poolz

            Ctrl-C stops.

            """
    }
}
