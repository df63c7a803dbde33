// A provider's session, shared by the side that connects and the side that answers.
#ifndef PROVIDER_H
#define PROVIDER_H
#include "encrypted.h"

enum provider_state { DOWN, QUEUED, UPGRADING, GREETING, LIVE };

struct slot {
    struct timer timer;
    struct provider *provider;
    bool active;
    uint8_t id[MAX_ID_BYTES];
    size_t id_count;
    uint64_t number;
    int count, sequence;
    struct frame frames[FRAME_CLASSES];  // own bytes, offsets as in the templates
};

struct provider {
    struct connection connection;
    struct timer timer;  // the next heartbeat, or the next attempt to connect
    enum provider_state state;
    int index;
    bool idle, storming;
    struct bytes in;
    struct leg *leg;  // with the encrypted leg
    struct slot *slots;
    int active, place;  // streams under way; place in the list of producers, plus one
};

bool answer(struct provider *provider, const struct message *message);  // an inference_request
void cancel(struct provider *provider, const struct message *message);
void producer_remove(struct provider *provider);
#endif
