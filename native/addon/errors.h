// How failures reach JavaScript. A caller's mistake is a TypeError or a RangeError that names the argument; all else is
// a Status, which src/errors.ts turns into a CrabKVError. Functions that can throw return false or null with an
// exception pending, and their callers return at once.
#pragma once

#include <node_api.h>

#include <string>

#include "native/addon/environment.h"
#include "native/core/status.h"

namespace crabkv::addon {

// Each returns null, which is what a native function returns with an exception pending.
napi_value ThrowTypeError(napi_env env, const std::string& message);
napi_value ThrowRangeError(napi_env env, const std::string& message);
napi_value ThrowStatus(Environment& environment, const Status& status);
napi_value ThrowClosed(Environment& environment);

// Settles a promise of the addon's own.
void Reject(Environment& environment, napi_deferred deferred, const Status& status);
void Resolve(Environment& environment, napi_deferred deferred, napi_value value);
void ResolveUndefined(Environment& environment, napi_deferred deferred);
// Rejects with the pending exception.
void RejectPending(Environment& environment, napi_deferred deferred);

}  // namespace crabkv::addon
