// A scanner for the few members that matter; a body is compared with what the buyer sent, byte for byte.
#define _GNU_SOURCE
#include <string.h>

#include "scan.h"

struct cursor {
    const uint8_t *at, *end;
};

static void skip_space(struct cursor *cursor) {
    while (cursor->at < cursor->end &&
           (*cursor->at == ' ' || *cursor->at == '\n' || *cursor->at == '\t' || *cursor->at == '\r'))
        cursor->at++;
}

// From behind the opening quote to behind the closing one.
static bool skip_string(struct cursor *cursor, struct text *text) {
    const uint8_t *start = cursor->at;
    for (;;) {
        const uint8_t *quote = memchr(cursor->at, '"', (size_t)(cursor->end - cursor->at));
        if (!quote) return false;
        const uint8_t *back = quote;
        while (back > start && back[-1] == '\\') back--;
        cursor->at = quote + 1;
        if ((quote - back) % 2 != 0) continue;
        text->data = start;
        text->count = (size_t)(quote - start);
        return true;
    }
}

static bool skip_value(struct cursor *cursor) {
    int depth = 0;
    while (cursor->at < cursor->end) {
        uint8_t byte = *cursor->at;
        struct text ignored;
        if (byte == '"') {
            cursor->at++;
            if (!skip_string(cursor, &ignored)) return false;
            if (depth == 0) return true;
            continue;
        }
        if (depth == 0 && (byte == ',' || byte == '}')) return true;
        if (byte == '{' || byte == '[') depth++;
        if (byte == '}' || byte == ']') depth--;
        cursor->at++;
        if (depth == 0 && (byte == '}' || byte == ']')) return true;
    }
    return false;
}

static int nibble(uint8_t byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

// Unescapes while it compares: for a server that chose other escapes than the usual short ones. ASCII only.
static bool body_compare_slowly(struct text text, struct message *message) {
    uint8_t digits[NUMBER_DIGITS + 1 + COUNT_DIGITS];
    size_t place = 0, digit = 0;
    const uint8_t *at = text.data, *end = text.data + text.count;
    while (at < end) {
        uint8_t byte = *at++;
        if (byte == '\\') {
            if (at == end) return false;
            switch (byte = *at++) {
            case 'n': byte = '\n'; break;
            case 't': byte = '\t'; break;
            case 'r': byte = '\r'; break;
            case 'b': byte = '\b'; break;
            case 'f': byte = '\f'; break;
            case '"': case '\\': case '/': break;
            case 'u': {
                int value = 0;
                for (int i = 0; i < 4; i++) {
                    int one = at < end ? nibble(*at++) : -1;
                    if (one < 0) return false;
                    value = value << 4 | one;
                }
                if (value > 127) return false;
                byte = (uint8_t)value;
                break;
            }
            default: return false;
            }
        }
        if (place >= body.count) return false;
        if (place >= body.number_at && place < body.count_at + COUNT_DIGITS) digits[digit++] = byte;
        else if (byte != body.data[place]) return false;
        place++;
    }
    return place == body.count && digits[NUMBER_DIGITS] == '-' &&
           get_decimal(digits, NUMBER_DIGITS, &message->number) &&
           get_decimal(digits + NUMBER_DIGITS + 1, COUNT_DIGITS, &message->count);
}

static bool body_compare(struct cursor *cursor, struct message *message) {
    const uint8_t *at = cursor->at;
    size_t behind = body.escaped_count_at + COUNT_DIGITS;
    if ((size_t)(cursor->end - at) > body.escaped_count && at[body.escaped_count] == '"' &&
        memcmp(at, body.escaped, body.escaped_number_at) == 0 &&
        get_decimal(at + body.escaped_number_at, NUMBER_DIGITS, &message->number) &&
        get_decimal(at + body.escaped_count_at, COUNT_DIGITS, &message->count) &&
        memcmp(at + behind, body.escaped + behind, body.escaped_count - behind) == 0) {
        cursor->at = at + body.escaped_count + 1;
        message->body_matches = true;
        return true;
    }
    struct text text;
    if (!skip_string(cursor, &text)) return false;
    message->body_matches = body_compare_slowly(text, message);
    return true;
}

bool message_scan(const uint8_t *data, size_t count, struct message *message) {
    struct cursor cursor = {data, data + count};
    *message = (struct message){0};
    skip_space(&cursor);
    if (cursor.at == cursor.end || *cursor.at++ != '{') return false;
    for (;;) {
        struct text key;
        skip_space(&cursor);
        if (cursor.at == cursor.end) return false;
        if (*cursor.at == '}') return message->type.count > 0;
        if (*cursor.at++ != '"' || !skip_string(&cursor, &key)) return false;
        skip_space(&cursor);
        if (cursor.at == cursor.end || *cursor.at++ != ':') return false;
        skip_space(&cursor);
        if (cursor.at == cursor.end) return false;
        if (*cursor.at == '"') {
            cursor.at++;
            struct text value;
            if (text_is(key, "body")) {
                message->has_body = true;
                if (!body_compare(&cursor, message)) return false;
            } else if (!skip_string(&cursor, &value)) {
                return false;
            } else if (text_is(key, "type")) {
                message->type = value;
            } else if (text_is(key, "request_id")) {
                message->request_id = value;
            }
        } else {
            if (text_is(key, "stream")) message->stream = *cursor.at == 't';
            const uint8_t *start = cursor.at;
            if (!skip_value(&cursor)) return false;
            if (text_is(key, "enc")) message->enc = (struct text){start, (size_t)(cursor.at - start)};
        }
        skip_space(&cursor);
        if (cursor.at == cursor.end) return false;
        if (*cursor.at == ',') cursor.at++;
        else if (*cursor.at != '}') return false;
    }
}

bool object_member(struct text object, const char *wanted, struct text *value) {
    struct cursor cursor = {object.data, object.data + object.count};
    skip_space(&cursor);
    if (cursor.at == cursor.end || *cursor.at++ != '{') return false;
    for (;;) {
        struct text key;
        skip_space(&cursor);
        if (cursor.at == cursor.end || *cursor.at++ != '"' || !skip_string(&cursor, &key)) return false;
        skip_space(&cursor);
        if (cursor.at == cursor.end || *cursor.at++ != ':') return false;
        skip_space(&cursor);
        const uint8_t *start = cursor.at;
        if (!skip_value(&cursor)) return false;
        if (text_is(key, wanted)) {
            bool quoted = *start == '"';
            *value = (struct text){start + quoted, (size_t)(cursor.at - start) - 2 * quoted};
            return true;
        }
        skip_space(&cursor);
        if (cursor.at == cursor.end || *cursor.at++ != ',') return false;
    }
}
