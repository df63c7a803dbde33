// The provider's side of the encrypted leg (protocol version 2): key agreement, sealing, opening.
#ifndef ENCRYPTED_H
#define ENCRYPTED_H
#include <openssl/evp.h>

#include "scan.h"

struct leg {
    EVP_PKEY *private_key;
    EVP_CIPHER_CTX *sealer, *opener;
    uint8_t public_key[32], seal_nonce[12], open_nonce[12];
    uint64_t sealed, opened;
    char provider_id[32], assigned_id[MAX_ID_BYTES + 1], key_id[32];
};

// One message of the handshake; NULL when the challenge cannot be used.
struct leg *leg_begin(const char *provider_id);
void leg_write_public_key(const struct leg *leg, struct bytes *text);
bool leg_agree(struct leg *leg, struct text assigned_id, struct text coordinator_key, struct text key_id);
// A whole message of the given type around the sealed plaintext.
void leg_seal(struct leg *leg, struct bytes *text, const char *type, const uint8_t *id, size_t id_count, bool stream,
              const void *plaintext, size_t count);
// The plaintext of an inference_request's `enc`.
bool leg_open(struct leg *leg, const struct message *message, struct bytes *plaintext);
void leg_free(struct leg *leg);
#endif
