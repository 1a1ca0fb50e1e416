// Everything the addon keeps for one JavaScript environment: the gate, the open handles, scratch memory, and the
// JavaScript functions that it calls. One object, the environment's instance data; nothing of the addon is global. Used
// by the environment's JavaScript thread only; native threads keep a shared_ptr to the gate and nothing else.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "native/addon/gate.h"
#include "native/addon/scratch.h"
#include "native/addon/tasks.h"
#include "native/core/read_buffer.h"
#include "native/core/status.h"

namespace crabkv::addon {

class Handle;

// What a call returns beside its value goes into one Float64Array shared with src/native.ts, which names the same
// places.
enum ResultIndex : size_t {
  kResultVersion = 0,      // LSN of a record or of a batch's last record
  kResultExpiresAtMs = 1,  // 0 = never
  kResultCommitted = 2,    // 1, or 0 when a guard did not hold
  kResultFailedIndex = 3,  // of the operation whose guard did not hold
  kResultFirstGroup = 4,   // commit groups that records put in one crossing went to
  kResultLastGroup = 5,
  kResultBusy = 6,          // 1 when not all were taken because pendingBytesMax is reached
  kResultCounterIndex = 7,  // the key's change counter, and what it stood at before the read
  kResultCounter = 8,
  kResultNowMs = 9,        // by the store's clock; set when the entry has a deadline
  kResultReplyBytes = 10,  // of a session: what came out, how many replies that is, and the group to wait for
  kResultReplies = 11,
  kResultReplyGroup = 12,
  kResultReplyForm = 13,
  kResultMidway = 14,             // whether a request has begun that is not there in full
  kResultExecuting = 15,          // whether EXEC is under way
  kResultExecFate = 16,           // what became of the EXEC that ended, see Session::Fate
  kResultNotificationBytes = 17,  // see sessionTakeNotifications
  kResultHeldBytes = 18,          // see Session::held_bytes
  kResultCount = 19,
};

class Environment {
 public:
  // Creates the environment's state, and the hooks that take it down.
  static napi_status Create(napi_env env, Environment** environment);

  napi_env env() const { return env_; }
  Gate& gate() { return *gate_; }
  const std::shared_ptr<Gate>& shared_gate() const { return gate_; }

  // --- Open handles. A handle is a number that is never used again, so that a wrong or an old one finds nothing.
  Handle* Find(uint32_t id) {
    if (id == last_id_) return last_handle_;
    return FindSlowly(id);
  }
  uint32_t NextHandleId() { return ++ids_given_; }
  void Add(std::unique_ptr<Handle> handle);
  std::unique_ptr<Handle> Remove(uint32_t id);

  // What runs for long on threads of its own.
  Tasks& tasks() { return tasks_; }

  // --- From JavaScript, see Init in module.cc. Answers with the array of results; again when a second copy of the
  // TypeScript is loaded in the same environment, whose functions then take the place of the first copy's.
  napi_value Initialize(napi_value create_error, napi_value array_of, napi_value array_push);
  double* results() { return results_; }
  // The JavaScript error of a status; null, with an exception pending, when JavaScript can no longer run.
  napi_value MakeError(const Status& status);
  // An array of `count` values made by `make(index)`, which returns null with an exception pending to stop. Handing
  // them over as the arguments of a call costs a quarter of setting elements one by one.
  template <typename Make>
  napi_value MakeArray(size_t count, Make make);

  // --- Memory of the call that is running; never kept across calls.
  Scratch key_scratch;
  Scratch value_scratch;
  ReadBuffer read_buffer;

 private:
  static constexpr size_t kArgumentsMax = 128;

  explicit Environment(napi_env env);
  ~Environment();
  static void Teardown(void* environment);
  Handle* FindSlowly(uint32_t id);
  bool MakeResults();
  bool Keep(napi_value function, napi_ref* reference);
  napi_value CallWithReceiver(napi_ref function, napi_value receiver, size_t count, const napi_value* arguments);

  napi_env env_;
  std::shared_ptr<Gate> gate_;
  std::unordered_map<uint32_t, std::unique_ptr<Handle>> handles_;
  Tasks tasks_;
  uint32_t ids_given_ = 0;
  uint32_t last_id_ = 0;  // 0 is nobody's id
  Handle* last_handle_ = nullptr;

  napi_ref create_error_ = nullptr;
  napi_ref array_of_ = nullptr;
  napi_ref array_push_ = nullptr;
  napi_ref results_reference_ = nullptr;
  double* results_ = nullptr;  // kResultCount numbers, kept by results_reference_
};

template <typename Make>
napi_value Environment::MakeArray(size_t count, Make make) {
  napi_value array = nullptr;
  size_t made = 0;
  do {
    napi_escapable_handle_scope scope;
    if (napi_open_escapable_handle_scope(env_, &scope) != napi_ok) return nullptr;
    napi_value values[kArgumentsMax];
    const size_t step = count - made < kArgumentsMax ? count - made : kArgumentsMax;
    size_t filled = 0;
    while (filled < step && (values[filled] = make(made + filled)) != nullptr) filled++;
    napi_value answer = nullptr;
    if (filled == step) answer = CallWithReceiver(array == nullptr ? array_of_ : array_push_, array, step, values);
    if (answer != nullptr && array == nullptr) napi_escape_handle(env_, scope, answer, &array);
    napi_close_escapable_handle_scope(env_, scope);
    if (answer == nullptr) return nullptr;
    made += step;
  } while (made < count);
  return array;
}

}  // namespace crabkv::addon
