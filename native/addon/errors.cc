#include "native/addon/errors.h"

namespace crabkv::addon {

napi_value ThrowTypeError(napi_env env, const std::string& message) {
  napi_throw_type_error(env, nullptr, message.c_str());
  return nullptr;
}

napi_value ThrowRangeError(napi_env env, const std::string& message) {
  napi_throw_range_error(env, nullptr, message.c_str());
  return nullptr;
}

napi_value ThrowStatus(Environment& environment, const Status& status) {
  const napi_value error = environment.MakeError(status);
  if (error != nullptr) napi_throw(environment.env(), error);
  return nullptr;
}

napi_value ThrowClosed(Environment& environment) {
  return ThrowStatus(environment, Status::Error(Code::kClosed, "the store is closed"));
}

void Reject(Environment& environment, napi_deferred deferred, const Status& status) {
  const napi_value error = environment.MakeError(status);
  if (error == nullptr) return RejectPending(environment, deferred);
  napi_reject_deferred(environment.env(), deferred, error);
}

void Resolve(Environment& environment, napi_deferred deferred, napi_value value) {
  if (value == nullptr) return RejectPending(environment, deferred);
  napi_resolve_deferred(environment.env(), deferred, value);
}

void ResolveUndefined(Environment& environment, napi_deferred deferred) {
  napi_value undefined;
  if (napi_get_undefined(environment.env(), &undefined) == napi_ok) Resolve(environment, deferred, undefined);
}

void RejectPending(Environment& environment, napi_deferred deferred) {
  napi_value error;
  bool pending = false;
  napi_is_exception_pending(environment.env(), &pending);
  // Nothing pending: JavaScript is being terminated, and nobody will look at the promise.
  if (!pending || napi_get_and_clear_last_exception(environment.env(), &error) != napi_ok) return;
  napi_reject_deferred(environment.env(), deferred, error);
}

}  // namespace crabkv::addon
