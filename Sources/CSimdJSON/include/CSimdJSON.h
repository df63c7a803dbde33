#pragma once
// The C face of simdjson, which has none of its own. A parsed document is handed out as simdjson's tape, whose format
// simdjson documents (doc/tape.md), so that walking it costs no call across the border.
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct csimdjson_parser csimdjson_parser;

/// Borrowed from the parser: valid until its next parse or its end.
typedef struct {
    /// Word 0 is the root marker, the root value begins at word 1.
    const uint64_t *_Nullable tape;
    /// Unescaped strings: a 4-byte native length, the bytes, a NUL.
    const uint8_t *_Nullable strings;
} csimdjson_document;

typedef enum {
    csimdjson_parsed = 0,
    csimdjson_syntax,
    csimdjson_depth,
    csimdjson_number,
    csimdjson_text,
    csimdjson_too_large,
    csimdjson_out_of_memory,
} csimdjson_outcome;

/// NULL when memory is short. The parser takes no document over `maximum_byte_count` bytes.
csimdjson_parser *_Nullable csimdjson_parser_create(size_t maximum_byte_count, size_t maximum_depth);
void csimdjson_parser_destroy(csimdjson_parser *_Nullable parser);

/// Reads up to 64 bytes behind `bytes + count`; what they hold does not matter.
csimdjson_outcome csimdjson_parse(
    csimdjson_parser *_Nonnull parser, const uint8_t *_Nonnull bytes, size_t count, csimdjson_document *_Nonnull document);

/// Document bytes for which memory is held now.
size_t csimdjson_parser_capacity(const csimdjson_parser *_Nonnull parser);

#ifdef __cplusplus
}
#endif
