#include "CSimdJSON.h"

#include <simdjson.h>

#include <new>

namespace {

constexpr size_t smallest_capacity = 4 * 1024;
// A parser holds about 14 bytes per byte of its largest document. One huge document must not keep that for ever, and
// a stream that mixes large and small ones must not give it back and fetch it again all the time.
constexpr size_t kept_capacity = 1024 * 1024;
constexpr size_t small_document = 64 * 1024;
constexpr unsigned small_documents_before_shrinking = 64;

bool may_hold_surrogates(const uint8_t *bytes, size_t count) noexcept {
    // No early exit: so the compiler makes vectors of it. A doubled backslash gives a false alarm, which is harmless.
    uint8_t found = 0;
    for (size_t i = 0; i + 2 < count; i++) {
        found |= uint8_t(bytes[i] == '\\') & uint8_t(bytes[i + 1] == 'u') & uint8_t((bytes[i + 2] | 0x20) == 'd');
    }
    return found != 0;
}

uint32_t code_unit(const uint8_t *digits) noexcept {
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        const uint32_t byte = digits[i];
        unit = unit << 4 | (byte <= '9' ? byte - '0' : (byte | 0x20) - 'a' + 10);
    }
    return unit;
}

/// Whether each \uD8xx is followed by its \uDCxx and none of the latter stands alone (RFC 8259 section 8.2 leaves it
/// open; a lone one cannot be written as UTF-8). simdjson before 3.2 lets some of them through. Expects bytes that
/// have parsed, so each backslash is inside a string and each \u has four digits.
bool surrogates_are_paired(const uint8_t *bytes, size_t count) noexcept {
    size_t i = 0;
    while (i < count) {
        if (bytes[i] != '\\') {
            i++;
            continue;
        }
        if (i + 5 >= count || bytes[i + 1] != 'u') {
            i += 2;
            continue;
        }
        const uint32_t unit = code_unit(bytes + i + 2);
        i += 6;
        if (unit < 0xD800 || unit > 0xDFFF) continue;
        if (unit > 0xDBFF || i + 5 >= count || bytes[i] != '\\' || bytes[i + 1] != 'u') return false;
        const uint32_t low = code_unit(bytes + i + 2);
        if (low < 0xDC00 || low > 0xDFFF) return false;
        i += 6;
    }
    return true;
}

csimdjson_outcome outcome(simdjson::error_code error) noexcept {
    switch (error) {
    case simdjson::SUCCESS: return csimdjson_parsed;
    case simdjson::DEPTH_ERROR: return csimdjson_depth;
    case simdjson::NUMBER_ERROR: return csimdjson_number;
    case simdjson::UTF8_ERROR:
    case simdjson::STRING_ERROR:
    case simdjson::UNESCAPED_CHARS: return csimdjson_text;
    case simdjson::CAPACITY: return csimdjson_too_large;
    case simdjson::MEMALLOC: return csimdjson_out_of_memory;
    default: return csimdjson_syntax;
    }
}

}  // namespace

struct csimdjson_parser {
    simdjson::dom::parser parser;
    size_t maximum_byte_count;
    size_t maximum_depth;
    size_t capacity = 0;
    unsigned small_documents = 0;

    csimdjson_parser(size_t byte_count, size_t depth) noexcept
        : parser(byte_count), maximum_byte_count(byte_count), maximum_depth(depth) {}

    simdjson::error_code set_capacity(size_t wanted) noexcept {
        capacity = 0;
        // Both drop what they had first; a failure leaves them empty, and the next parse tries again.
        if (auto error = parser.doc.allocate(wanted)) return error;
        if (auto error = parser.allocate(wanted, maximum_depth)) return error;
        capacity = wanted;
        return simdjson::SUCCESS;
    }

    simdjson::error_code make_room(size_t count) noexcept {
        if (count > maximum_byte_count) return simdjson::CAPACITY;
        if (count > capacity) {
            size_t wanted = smallest_capacity;
            while (wanted < count) wanted *= 2;
            small_documents = 0;
            return set_capacity(wanted < maximum_byte_count ? wanted : maximum_byte_count);
        }
        if (capacity > kept_capacity) {
            small_documents = count <= small_document ? small_documents + 1 : 0;
            if (small_documents >= small_documents_before_shrinking) {
                small_documents = 0;
                return set_capacity(small_document);
            }
        }
        return simdjson::SUCCESS;
    }
};

extern "C" {

csimdjson_parser *csimdjson_parser_create(size_t maximum_byte_count, size_t maximum_depth) {
    return new (std::nothrow) csimdjson_parser(maximum_byte_count, maximum_depth);
}

void csimdjson_parser_destroy(csimdjson_parser *parser) { delete parser; }

csimdjson_outcome csimdjson_parse(
    csimdjson_parser *parser, const uint8_t *bytes, size_t count, csimdjson_document *document) {
    if (auto error = parser->make_room(count)) return outcome(error);
    simdjson::dom::element root;
    if (auto error = parser->parser.parse(bytes, count, false).get(root)) return outcome(error);
    if (may_hold_surrogates(bytes, count) && !surrogates_are_paired(bytes, count)) return csimdjson_text;
    document->tape = parser->parser.doc.tape.get();
    document->strings = parser->parser.doc.string_buf.get();
    return csimdjson_parsed;
}

size_t csimdjson_parser_capacity(const csimdjson_parser *parser) { return parser->capacity; }

}
