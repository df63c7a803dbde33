#define _GNU_SOURCE
#include "encrypted.h"

#include <openssl/kdf.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

// ---- base64url without padding -------------------------------------------------------------------------------------

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static uint8_t pairs[4096][2];
static int8_t values[256];

static void tables_fill(void) {
    if (pairs[0][0] != 0) return;
    memset(values, -1, sizeof values);
    for (int i = 0; i < 64; i++) values[(uint8_t)alphabet[i]] = (int8_t)i;
    for (int i = 0; i < 4096; i++) {
        pairs[i][0] = (uint8_t)alphabet[i >> 6];
        pairs[i][1] = (uint8_t)alphabet[i & 63];
    }
}

static void append_base64(struct bytes *to, const uint8_t *from, size_t count) {
    uint8_t *at = bytes_reserve(to, (count + 2) / 3 * 4), *start = at;
    size_t i = 0;
    for (; i + 3 <= count; i += 3, at += 4) {
        uint32_t group = (uint32_t)from[i] << 16 | (uint32_t)from[i + 1] << 8 | from[i + 2];
        memcpy(at, pairs[group >> 12], 2);
        memcpy(at + 2, pairs[group & 4095], 2);
    }
    if (count - i == 1) {
        memcpy(at, pairs[(uint32_t)from[i] << 4], 2), at += 2;
    } else if (count - i == 2) {
        uint32_t group = (uint32_t)from[i] << 10 | (uint32_t)from[i + 1] << 2;
        memcpy(at, pairs[group >> 6], 2), at += 2;
        *at++ = (uint8_t)alphabet[group & 63];
    }
    to->tail += (size_t)(at - start);
}

static bool append_decoded(struct bytes *to, struct text from) {
    uint8_t *at = bytes_reserve(to, from.count), *start = at;
    uint32_t bits = 0;
    int held = 0;
    for (size_t i = 0; i < from.count; i++) {
        int value = values[from.data[i]];
        if (value < 0) return false;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) *at++ = (uint8_t)(bits >> (held -= 8));
    }
    to->tail += (size_t)(at - start);
    return from.count % 4 != 1;
}

// ---- keys ----------------------------------------------------------------------------------------------------------

struct leg *leg_begin(const char *provider_id) {
    tables_fill();
    struct leg *leg = calloc(1, sizeof *leg);
    if (!leg) fatal("out of memory");
    snprintf(leg->provider_id, sizeof leg->provider_id, "%s", provider_id);
    size_t count = sizeof leg->public_key;
    leg->private_key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    if (!leg->private_key || EVP_PKEY_get_raw_public_key(leg->private_key, leg->public_key, &count) != 1)
        fatal("X25519 is not available");
    return leg;
}

void leg_write_public_key(const struct leg *leg, struct bytes *text) {
    append_base64(text, leg->public_key, sizeof leg->public_key);
}

static bool hkdf(int mode, const uint8_t *key, size_t key_count, const uint8_t *salt, const char *info, uint8_t *out,
                 size_t count) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
    bool good = EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_CTX_set_hkdf_mode(context, mode) == 1 &&
                EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) == 1 &&
                EVP_PKEY_CTX_set1_hkdf_key(context, key, (int)key_count) == 1 &&
                (!salt || EVP_PKEY_CTX_set1_hkdf_salt(context, salt, 32) == 1) &&
                (!info || EVP_PKEY_CTX_add1_hkdf_info(context, (const uint8_t *)info, (int)strlen(info)) == 1) &&
                EVP_PKEY_derive(context, out, &count) == 1;
    EVP_PKEY_CTX_free(context);
    return good;
}

bool leg_agree(struct leg *leg, struct text assigned_id, struct text coordinator_key, struct text key_id) {
    struct bytes peer = {0}, transcript = {0}, id = {0};
    uint8_t shared[32], digest[32], pseudorandom[32], key[2][32], hash[32];
    size_t count = sizeof shared;
    if (assigned_id.count > MAX_ID_BYTES || !append_decoded(&peer, coordinator_key) || bytes_count(&peer) != 32)
        return false;
    memcpy(leg->assigned_id, assigned_id.data, assigned_id.count);
    EVP_PKEY *peer_key = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer.data, 32);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(leg->private_key, NULL);
    bool good = EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, peer_key) == 1 &&
                EVP_PKEY_derive(context, shared, &count) == 1;
    bytes_printf(&transcript, "macprovider/spec008/pillar-b/transcript/v1%s%s", leg->provider_id, leg->assigned_id);
    bytes_append(&transcript, leg->public_key, 32);
    bytes_append(&transcript, peer.data, 32);
    bytes_printf(&transcript, "A256GCM");
    SHA256(transcript.data, transcript.tail, digest);
    const int expand = EVP_PKEY_HKDEF_MODE_EXPAND_ONLY;
    good = good && hkdf(EVP_PKEY_HKDEF_MODE_EXTRACT_ONLY, shared, 32, digest, NULL, pseudorandom, 32) &&
           hkdf(expand, pseudorandom, 32, NULL, "macprovider/spec008/p2c/aead/v1", key[0], 32) &&
           hkdf(expand, pseudorandom, 32, NULL, "macprovider/spec008/c2p/aead/v1", key[1], 32) &&
           hkdf(expand, pseudorandom, 32, NULL, "macprovider/spec008/p2c/nonce/v1", leg->seal_nonce, 4) &&
           hkdf(expand, pseudorandom, 32, NULL, "macprovider/spec008/c2p/nonce/v1", leg->open_nonce, 4);
    SHA256(digest, 32, hash);
    append_base64(&id, hash, 16);
    memcpy(leg->key_id, id.data, bytes_count(&id));
    leg->sealer = EVP_CIPHER_CTX_new();
    leg->opener = EVP_CIPHER_CTX_new();
    good = good && EVP_EncryptInit_ex(leg->sealer, EVP_aes_256_gcm(), NULL, key[0], NULL) == 1 &&
           EVP_DecryptInit_ex(leg->opener, EVP_aes_256_gcm(), NULL, key[1], NULL) == 1 && text_is(key_id, leg->key_id);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(peer_key);
    bytes_free(&peer), bytes_free(&transcript), bytes_free(&id);
    return good;
}

void leg_free(struct leg *leg) {
    if (!leg) return;
    EVP_PKEY_free(leg->private_key);
    EVP_CIPHER_CTX_free(leg->sealer);
    EVP_CIPHER_CTX_free(leg->opener);
    free(leg);
}

// ---- frames --------------------------------------------------------------------------------------------------------

static void put_big_endian(uint8_t *at, uint64_t value) {
    for (int i = 0; i < 8; i++) at[i] = (uint8_t)(value >> (56 - 8 * i));
}

static void append_text(struct bytes *to, const char *text) { bytes_append(to, text, strlen(text)); }

static void append_number(struct bytes *to, uint64_t value) {
    uint8_t digits[20];
    int at = sizeof digits;
    do digits[--at] = (uint8_t)('0' + value % 10);
    while (value /= 10);
    bytes_append(to, digits + at, sizeof digits - (size_t)at);
}

static void append_additional_data(const struct leg *leg, struct bytes *to, const char *type, const char *direction,
                                   const uint8_t *id, size_t id_count, bool stream, uint64_t sequence) {
    append_text(to, "{\"type\":\"");
    append_text(to, type);
    append_text(to, "\",\"direction\":\"");
    append_text(to, direction);
    append_text(to, "\",\"request_id\":\"");
    bytes_append(to, id, id_count);
    append_text(to, stream ? "\",\"stream\":true,\"provider_id\":\"" : "\",\"stream\":false,\"provider_id\":\"");
    append_text(to, leg->provider_id);
    append_text(to, "\",\"assigned_id\":\"");
    append_text(to, leg->assigned_id);
    append_text(to, "\",\"seq\":");
    append_number(to, sequence);
    append_text(to, "}");
}

void leg_seal(struct leg *leg, struct bytes *text, const char *type, const uint8_t *id, size_t id_count, bool stream,
              const void *plaintext, size_t count) {
    static struct bytes additional, sealed;
    uint8_t tag[16];
    int length;
    additional.tail = sealed.tail = 0;
    append_additional_data(leg, &additional, type, "p2c", id, id_count, stream, leg->sealed);
    uint8_t *out = bytes_reserve(&sealed, count + 16);
    put_big_endian(leg->seal_nonce + 4, leg->sealed);
    if (EVP_EncryptInit_ex(leg->sealer, NULL, NULL, NULL, leg->seal_nonce) != 1 ||
        EVP_EncryptUpdate(leg->sealer, NULL, &length, additional.data, (int)additional.tail) != 1 ||
        EVP_EncryptUpdate(leg->sealer, out, &length, plaintext, (int)count) != 1 ||
        EVP_EncryptFinal_ex(leg->sealer, out + length, &length) != 1 ||
        EVP_CIPHER_CTX_ctrl(leg->sealer, EVP_CTRL_AEAD_GET_TAG, 16, tag) != 1)
        fatal("sealing failed");
    append_text(text, "{\"type\":\"");
    append_text(text, type);
    append_text(text, "\",\"request_id\":\"");
    bytes_append(text, id, id_count);
    append_text(text, "\",\"encrypted\":true,\"enc\":{\"alg\":\"A256GCM\",\"seq\":");
    append_number(text, leg->sealed++);
    append_text(text, ",\"nonce\":\"");
    append_base64(text, leg->seal_nonce, sizeof leg->seal_nonce);
    append_text(text, "\",\"aad\":\"");
    append_base64(text, additional.data, additional.tail);
    append_text(text, "\",\"ciphertext\":\"");
    append_base64(text, out, count);
    append_text(text, "\",\"tag\":\"");
    append_base64(text, tag, sizeof tag);
    append_text(text, "\",\"kid\":\"");
    append_text(text, leg->key_id);
    append_text(text, "\"}}");
}

bool leg_open(struct leg *leg, const struct message *message, struct bytes *plaintext) {
    static struct bytes additional, given, ciphertext, tag, nonce;
    struct text sequence, value;
    int length, rest;
    additional.tail = given.tail = ciphertext.tail = tag.tail = nonce.tail = 0;
    char expected[24];
    snprintf(expected, sizeof expected, "%llu", (unsigned long long)leg->opened);
    if (!object_member(message->enc, "seq", &sequence) || !text_is(sequence, expected)) return false;
    append_additional_data(leg, &additional, "inference_request", "c2p", message->request_id.data,
                           message->request_id.count, message->stream, leg->opened);
    put_big_endian(leg->open_nonce + 4, leg->opened++);
    if (!object_member(message->enc, "aad", &value) || !append_decoded(&given, value) ||
        given.tail != additional.tail || memcmp(given.data, additional.data, given.tail) != 0)
        return false;
    if (!object_member(message->enc, "nonce", &value) || !append_decoded(&nonce, value) || nonce.tail != 12 ||
        memcmp(nonce.data, leg->open_nonce, 12) != 0)
        return false;
    if (!object_member(message->enc, "tag", &value) || !append_decoded(&tag, value) || tag.tail != 16) return false;
    if (!object_member(message->enc, "ciphertext", &value) || !append_decoded(&ciphertext, value)) return false;
    plaintext->head = plaintext->tail = 0;
    uint8_t *out = bytes_reserve(plaintext, ciphertext.tail + 16);
    if (EVP_DecryptInit_ex(leg->opener, NULL, NULL, NULL, leg->open_nonce) != 1 ||
        EVP_DecryptUpdate(leg->opener, NULL, &length, additional.data, (int)additional.tail) != 1 ||
        EVP_DecryptUpdate(leg->opener, out, &length, ciphertext.data, (int)ciphertext.tail) != 1 ||
        EVP_CIPHER_CTX_ctrl(leg->opener, EVP_CTRL_AEAD_SET_TAG, 16, tag.data) != 1 ||
        EVP_DecryptFinal_ex(leg->opener, out + length, &rest) != 1)
        return false;
    plaintext->tail += (size_t)length;
    return true;
}
