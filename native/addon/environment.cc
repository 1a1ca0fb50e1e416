#include "native/addon/environment.h"

#include <utility>

#include "native/addon/errors.h"
#include "native/addon/handle.h"

namespace crabkv::addon {

napi_status Environment::Create(napi_env env, Environment** result) {
  auto* environment = new Environment(env);
  napi_status status = environment->gate_->Open(env, environment);
  // Hooks run last in, first out: this one is added after the threadsafe function added its own, so it runs before that
  // function is finalized; the instance data goes last of all.
  if (status == napi_ok) status = napi_add_env_cleanup_hook(env, Teardown, environment);
  if (status == napi_ok && !environment->MakeResults()) status = napi_generic_failure;
  const auto destroy = [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); };
  if (status == napi_ok) status = napi_set_instance_data(env, environment, destroy, nullptr);
  if (status != napi_ok) return status;  // the environment leaks; nothing was opened in it
  *result = environment;
  return napi_ok;
}

Environment::Environment(napi_env env) : env_(env), gate_(std::make_shared<Gate>()) {}

Environment::~Environment() = default;

// The environment ends with stores open (a worker was terminated, or a program ended without close). This thread must
// not wait for a disk, and nothing may wait for the native threads that finish the work: they belong to the process.
void Environment::Teardown(void* data) {
  auto* environment = static_cast<Environment*>(data);
  auto left = std::make_shared<DeliveryQueue>(environment->gate_->Shut());
  environment->last_id_ = 0;
  environment->tasks_.CancelAll();
  for (auto& [id, handle] : environment->handles_) handle->Abandon();
  environment->handles_.clear();
  if (!left->empty()) RunDetached("crabkv-release", [left] { left->clear(); });
}

Handle* Environment::FindSlowly(uint32_t id) {
  const auto found = handles_.find(id);
  if (found == handles_.end()) return nullptr;
  last_id_ = id;
  last_handle_ = found->second.get();
  return last_handle_;
}

void Environment::Add(std::unique_ptr<Handle> handle) {
  const uint32_t id = handle->id();
  handles_.emplace(id, std::move(handle));
}

std::unique_ptr<Handle> Environment::Remove(uint32_t id) {
  const auto found = handles_.find(id);
  if (found == handles_.end()) return nullptr;
  last_id_ = 0;
  last_handle_ = nullptr;
  std::unique_ptr<Handle> handle = std::move(found->second);
  handles_.erase(found);
  return handle;
}

// The array stays inside src/native.ts, so nobody can detach it.
bool Environment::MakeResults() {
  napi_value buffer;
  napi_value array;
  void* data = nullptr;
  if (napi_create_arraybuffer(env_, kResultCount * sizeof(double), &data, &buffer) != napi_ok ||
      napi_create_typedarray(env_, napi_float64_array, kResultCount, buffer, 0, &array) != napi_ok ||
      napi_create_reference(env_, array, 1, &results_reference_) != napi_ok) {
    return false;
  }
  results_ = static_cast<double*>(data);
  return true;
}

bool Environment::Keep(napi_value function, napi_ref* reference) {
  napi_valuetype type;
  if (napi_typeof(env_, function, &type) != napi_ok || type != napi_function) {
    ThrowTypeError(env_, "init takes three functions");
    return false;
  }
  if (*reference != nullptr) napi_delete_reference(env_, *reference);
  *reference = nullptr;
  return napi_create_reference(env_, function, 1, reference) == napi_ok;
}

napi_value Environment::Initialize(napi_value create_error, napi_value array_of, napi_value array_push) {
  if (!Keep(create_error, &create_error_) || !Keep(array_of, &array_of_) || !Keep(array_push, &array_push_)) {
    return nullptr;
  }
  napi_value results;
  return napi_get_reference_value(env_, results_reference_, &results) == napi_ok ? results : nullptr;
}

napi_value Environment::CallWithReceiver(napi_ref function, napi_value receiver, size_t count,
                                         const napi_value* arguments) {
  napi_value callee;
  napi_value result;
  if (function == nullptr || napi_get_reference_value(env_, function, &callee) != napi_ok) {
    ThrowTypeError(env_, "init was not called");
    return nullptr;
  }
  if (receiver == nullptr) napi_get_undefined(env_, &receiver);
  if (napi_call_function(env_, receiver, callee, count, arguments, &result) != napi_ok) return nullptr;
  return result;
}

napi_value Environment::MakeError(const Status& status) {
  napi_value arguments[5];
  napi_get_undefined(env_, &arguments[2]);
  arguments[3] = arguments[4] = arguments[2];
  napi_create_uint32(env_, static_cast<uint32_t>(status.code()), &arguments[0]);
  napi_create_string_utf8(env_, status.message().data(), status.message().size(), &arguments[1]);
  if (!status.path().empty()) {
    napi_create_string_utf8(env_, status.path().data(), status.path().size(), &arguments[2]);
  }
  if (status.offset() != Status::kNoOffset) {
    napi_create_double(env_, static_cast<double>(status.offset()), &arguments[3]);
  }
  if (status.error_number() != 0) napi_create_int32(env_, status.error_number(), &arguments[4]);
  return CallWithReceiver(create_error_, nullptr, 5, arguments);
}

}  // namespace crabkv::addon
