#!/usr/bin/env python3
"""Writes a tiny language model with random weights, for tests with a real inference engine.

    pip install gguf numpy
    python make_tiny_gguf.py tiny.gguf [--seed 1] [--context 512]

The file (about 600 KB) is a llama-architecture model: two layers, 64 wide, a SentencePiece-style vocabulary of
printable ASCII characters with byte fall-back. What it says is noise, the same noise for the same seed, but everything
around it is real: llama.cpp loads it, tokenizes, applies the chat template, samples and streams.
"""

import argparse

import gguf
import numpy

WIDTH = 64
LAYERS = 2
HEADS = 4
FEED_FORWARD = 128

# SentencePiece writes a space as U+2581.
SPACE = "\u2581"

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def vocabulary():
    """Tokens, scores and types: three control tokens, 256 bytes, then single characters."""
    tokens = [b"<unk>", b"<s>", b"</s>"]
    types = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    for byte in range(256):
        tokens.append(f"<0x{byte:02X}>".encode())
        types.append(gguf.TokenType.BYTE)
    for character in [SPACE] + [chr(code) for code in range(0x21, 0x7F)]:
        tokens.append(character.encode())
        types.append(gguf.TokenType.NORMAL)
    scores = [0.0] * 3 + [0.0] * 256 + [-float(rank) for rank in range(len(tokens) - 259)]
    return tokens, scores, types


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--context", type=int, default=512)
    arguments = parser.parse_args()

    random = numpy.random.default_rng(arguments.seed)
    tokens, scores, types = vocabulary()

    def weights(*shape):
        return (random.standard_normal(shape) / numpy.sqrt(shape[-1])).astype(numpy.float32)

    writer = gguf.GGUFWriter(arguments.path, "llama")
    writer.add_name("tiny-random")
    writer.add_context_length(arguments.context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)

    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_chat_template(CHAT_TEMPLATE)

    writer.add_tensor("token_embd.weight", weights(len(tokens), WIDTH))
    for layer in range(LAYERS):
        prefix = f"blk.{layer}."
        ones = numpy.ones(WIDTH, dtype=numpy.float32)
        writer.add_tensor(prefix + "attn_norm.weight", ones)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"{prefix}{name}.weight", weights(WIDTH, WIDTH))
        writer.add_tensor(prefix + "ffn_norm.weight", ones)
        writer.add_tensor(prefix + "ffn_gate.weight", weights(FEED_FORWARD, WIDTH))
        writer.add_tensor(prefix + "ffn_up.weight", weights(FEED_FORWARD, WIDTH))
        writer.add_tensor(prefix + "ffn_down.weight", weights(WIDTH, FEED_FORWARD))
    writer.add_tensor("output_norm.weight", numpy.ones(WIDTH, dtype=numpy.float32))

    # Only the printable characters can win: rows of zeros for control tokens and bytes keep the answer valid UTF-8 and
    # of exactly the length that was asked for, since the end token never comes.
    output = 4 * weights(len(tokens), WIDTH)
    output[:259] = 0
    writer.add_tensor("output.weight", output)

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
