// Single writes: put, delete, expire. Each returns at once with the commit group that the write went into; its fate is
// told to the handle's onCommit. This is the hottest path of the addon.
#include <string>
#include <vector>

#include "native/addon/arguments.h"
#include "native/addon/functions.h"

namespace crabkv::addon {

namespace {

// As in src/put-row.ts: so many puts, each of two strings of 1,024 units, which are 3 bytes at most.
constexpr size_t kRowPutsMax = 64;
constexpr size_t kRowBytesMax = kRowPutsMax * 2 * (1024 * 3 + 4);

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

// putRow(handle, key, value, key, value, ...): number, the group. Strings without deadlines, as one batch; as
// arguments, because what comes in an array costs a call for each element.
napi_value PutRow(napi_env env, napi_callback_info info) {
  constexpr size_t kArgumentsMax = 1 + 2 * kRowPutsMax;
  Call<kArgumentsMax> call(env, info);
  Environment& environment = call.environment();
  Handle* handle = call.handle();
  if (handle == nullptr) return nullptr;
  if (call.given() % 2 == 0 || call.given() < 3 || call.given() > kArgumentsMax) {
    return ThrowRangeError(env, "putRow takes 1 to 64 keys, each with its value");
  }
  std::string_view texts[2 * kRowPutsMax];
  environment.value_scratch.Settle();
  environment.value_scratch.Reserve(kRowBytesMax);
  if (!ReadPairs(environment, call.from(1), call.given() - 1, kRowBytesMax, texts)) return nullptr;
  const uint32_t count = static_cast<uint32_t>(call.given() / 2);
  Operation operations[kRowPutsMax];
  for (uint32_t i = 0; i < count; i++) {
    operations[i].key = texts[2 * i];
    operations[i].value = texts[2 * i + 1];
  }
  Commit commit;
  const Status status = handle->store().Write(operations, count, DiskWait::kNever, &commit);
  if (!status.ok()) return ThrowStatus(environment, DescribeBusy(*handle, status));
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

// rollbacks(handle): number, see Store::Rollbacks.
napi_value Rollbacks(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  Handle* handle = call.handle();
  return handle == nullptr ? nullptr : Number(env, static_cast<double>(handle->store().Rollbacks()));
}

// takenBackGroups(handle): [rollbacks, first, last, first, last, ...]. The failed groups that onCommit has not told of
// yet, all of those that were taken back up to these roll-backs among them.
napi_value TakenBackGroups(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return nullptr;
  std::vector<uint64_t> numbers = {handle->store().RollbacksDone()};
  for (const CommitInbox::Groups& groups : handle->taken_back()) {
    numbers.push_back(groups.first);
    numbers.push_back(groups.last);
  }
  return call.environment().MakeArray(numbers.size(),
                                      [&](size_t index) { return Number(env, static_cast<double>(numbers[index])); });
}

}  // namespace crabkv::addon
