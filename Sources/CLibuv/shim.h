#pragma once
#include <uv.h>

#ifdef __linux__
// The C library hides these behind _GNU_SOURCE, which Swift's importer does not set.
extern int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags);
extern int pthread_setname_np(pthread_t thread, const char *name);
#endif
