// Single writes: put, delete, expire. Each returns at once with the commit group that the write went into; its fate is
// told to the handle's onCommit. This is the hottest path of the addon.
#include <string>

#include "native/addon/arguments.h"
#include "native/addon/functions.h"

namespace crabkv::addon {

namespace {

napi_value Number(napi_env env, double number) {
  napi_value value;
  return napi_create_double(env, number, &value) == napi_ok ? value : nullptr;
}

// Group and "was the key there" in one number: 2 * group + existed. Groups stay far below 2^52.
napi_value GroupAndExisted(napi_env env, uint64_t group, bool existed) {
  return Number(env, static_cast<double>(group * 2 + (existed ? 1 : 0)));
}

napi_value WriteOne(Environment& environment, Handle& handle, Operation* operation) {
  Commit commit;
  const Status status = handle.store().Write(operation, 1, DiskWait::kNever, &commit);
  if (!status.ok()) return ThrowStatus(environment, DescribeBusy(handle, status));
  handle.AwaitGroup(commit.group);
  return GroupAndExisted(environment.env(), commit.group, operation->existed);
}

}  // namespace

// put(handle, key, value, ttlMs): number, the group.
napi_value Put(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  Handle* handle = call.handle();
  std::string_view key;
  std::string_view value;
  uint64_t expires_at_ms = 0;
  if (handle == nullptr || !ReadKey(call.environment(), call[1], NewKeyBound(*handle), &key)) return nullptr;
  // Most of a put is waiting for the index: what has to come first does so while the value is read.
  const KeyHash hash = handle->store().PrefetchSlot(key);
  if (!ReadValue(call.environment(), *handle, call[2], &value) ||
      !ReadDeadline(env, call[3], *handle, &expires_at_ms)) {
    return nullptr;
  }
  Commit commit;
  const Status status = handle->store().Put(key, hash, value, expires_at_ms, &commit);
  if (!status.ok()) return ThrowStatus(call.environment(), DescribeBusy(*handle, status));
  handle->AwaitGroup(commit.group);
  return Number(env, static_cast<double>(commit.group));
}

// delete(handle, key): number, 2 * group + existed.
napi_value Delete(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  Operation operation;
  operation.kind = Operation::Kind::kDelete;
  if (handle == nullptr || !ReadKey(call.environment(), call[1], kAnyKey, &operation.key)) return nullptr;
  return WriteOne(call.environment(), *handle, &operation);
}

// expire(handle, key, ttlMs): number, 2 * group + existed.
napi_value Expire(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  Operation operation;
  operation.kind = Operation::Kind::kExpire;
  if (handle == nullptr || !ReadKey(call.environment(), call[1], kAnyKey, &operation.key) ||
      !ReadDeadline(env, call[2], *handle, &operation.expires_at_ms)) {
    return nullptr;
  }
  return WriteOne(call.environment(), *handle, &operation);
}

// kick(handle): wakes the writer for what was written in this turn.
napi_value Kick(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  uint32_t id = 0;
  napi_get_value_uint32(env, call[0], &id);
  // A store that was closed meanwhile has been drained: there is nothing to wake, and nobody to tell.
  Handle* handle = call.environment().Find(id);
  if (handle != nullptr) handle->store().Kick();
  return nullptr;
}

// requestDurable(handle): number, the group to wait for; 0 when everything is durable.
napi_value RequestDurable(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return nullptr;
  uint64_t group = 0;
  const Status status = handle->store().RequestDurable(&group);
  if (!status.ok()) return ThrowStatus(call.environment(), status);
  if (group != 0) handle->AwaitDurable(group);
  return Number(env, static_cast<double>(group));
}

}  // namespace crabkv::addon
