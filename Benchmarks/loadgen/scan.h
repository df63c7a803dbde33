// What a provider has to know of a message from the coordinator.
#ifndef SCAN_H
#define SCAN_H
#include "loadgen.h"

struct text {
    const uint8_t *data;
    size_t count;
};
struct message {
    struct text type, request_id;  // as they stand in the JSON, without their quotes
    struct text enc;               // the object, with its braces
    bool stream, has_body, body_matches;
    uint64_t number, count;        // that the body names
};
// false: not one JSON object with string members as expected.
bool message_scan(const uint8_t *data, size_t count, struct message *message);
// The member of an object: a string without its quotes, anything else as it stands.
bool object_member(struct text object, const char *key, struct text *value);
static inline bool text_is(struct text text, const char *wanted) {
    return text.count == __builtin_strlen(wanted) && __builtin_memcmp(text.data, wanted, text.count) == 0;
}
#endif
