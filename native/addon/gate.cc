#include "native/addon/gate.h"

#include <utility>

#include "native/addon/environment.h"

namespace crabkv::addon {

napi_status Gate::Open(napi_env env, Environment* environment) {
  environment_ = environment;
  napi_value name;
  napi_status status = napi_create_string_latin1(env, "crabkv", NAPI_AUTO_LENGTH, &name);
  if (status != napi_ok) return status;
  status = napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, Run, &function_);
  if (status != napi_ok) return status;
  std::lock_guard<std::mutex> lock(mutex_);
  alive_ = true;
  return napi_unref_threadsafe_function(env, function_);
}

DeliveryQueue Gate::Shut() {
  DeliveryQueue left;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!alive_) return left;
    alive_ = false;
    left.swap(queue_);
  }
  // Nobody can be inside a call now: calls are made under the mutex, and alive_ is false.
  napi_release_threadsafe_function(function_, napi_tsfn_abort);
  return left;
}

void Gate::Post(std::unique_ptr<Delivery> delivery) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!alive_) return;  // destroys it after the lock is released: parameters outlive locals
  queue_.push_back(std::move(delivery));
  if (scheduled_) return;
  scheduled_ = napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking) == napi_ok;
}

void Gate::Hold() {
  if (holds_++ == 0) napi_ref_threadsafe_function(environment_->env(), function_);
}

void Gate::Release() {
  if (--holds_ == 0) napi_unref_threadsafe_function(environment_->env(), function_);
}

void Gate::Run(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;  // the environment is going away and takes the rest of the queue back
  static_cast<Gate*>(context)->DeliverAll(env);
}

void Gate::DeliverAll(napi_env env) {
  DeliveryQueue queue;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    queue.swap(queue_);
    scheduled_ = false;
  }
  for (auto& delivery : queue) {
    napi_handle_scope scope;
    if (napi_open_handle_scope(env, &scope) != napi_ok) return;
    delivery->Deliver(*environment_);
    bool thrown = false;
    napi_is_exception_pending(env, &thrown);
    if (thrown) {
      // Our own callbacks do not throw; if one does, it must not stop the deliveries behind it.
      napi_value error;
      if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
    }
    napi_close_handle_scope(env, scope);
  }
}

}  // namespace crabkv::addon
