#include "CSimdJSON.h"
#include <simdjson.h>
extern "C" int csimdjson_version_major(void) { return simdjson::SIMDJSON_VERSION_MAJOR; }
