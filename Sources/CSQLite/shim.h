#pragma once
#include <sqlite3.h>

// Swift cannot spell SQLITE_TRANSIENT, a pointer made of -1: SQLite takes a copy before these return.
static inline int trunkline_bind_text(sqlite3_stmt *statement, int position, const char *text, int length) {
    return sqlite3_bind_text(statement, position, text, length, SQLITE_TRANSIENT);
}

// Swift cannot call variadic functions. SQLite counts what it allocates, under a lock of the whole process; nobody asks
// for the count.
static inline int trunkline_count_no_memory(void) { return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }
