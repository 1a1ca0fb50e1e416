// What a compaction did, for JavaScript.
#pragma once

#include <node_api.h>

#include "native/core/store.h"

namespace crabkv::addon {

// The plain object that src/native.ts describes; null when an exception is pending.
napi_value MakeCompactionReport(napi_env env, const CompactionReport& report);

}  // namespace crabkv::addon
