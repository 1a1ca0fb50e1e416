// The only way from a native thread into JavaScript: one queue and one threadsafe function for each environment (the
// main thread, or a worker), behind a mutex and an alive flag. An environment can end at any moment, and a thread that
// calls a finalized threadsafe function aborts the process; so the gate is shut before that, and refuses from then on.
//
// Whatever is posted while a call is on its way travels with it: a burst of completions costs one crossing.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace crabkv::addon {

class Environment;

// Something that a native thread has to say to JavaScript. Destroyed on the JavaScript thread after Deliver, or on any
// native thread, undelivered, when the environment is gone; so a destructor must not use Node-API, and may block.
class Delivery {
 public:
  virtual ~Delivery() = default;
  // JavaScript thread, in a handle scope of its own.
  virtual void Deliver(Environment& environment) = 0;
};

using DeliveryQueue = std::vector<std::unique_ptr<Delivery>>;

class Gate {
 public:
  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Any thread. Deliveries arrive in the order of posting; after Shut they are destroyed on the calling thread.
  void Post(std::unique_ptr<Delivery> delivery);

  // --- JavaScript thread only.
  napi_status Open(napi_env env, Environment* environment);
  // From now on nothing passes. Returns what was still on its way, to be destroyed on a thread that may block.
  DeliveryQueue Shut();
  // The event loop stays alive while there are holds: one for each thing that JavaScript waits for.
  void Hold();
  void Release();

 private:
  static void Run(napi_env env, napi_value callback, void* context, void* data);
  void DeliverAll(napi_env env);

  std::mutex mutex_;
  bool alive_ = false;                           // guarded by mutex_
  bool scheduled_ = false;                       // guarded by mutex_: a call of function_ is on its way
  DeliveryQueue queue_;                          // guarded by mutex_
  napi_threadsafe_function function_ = nullptr;  // called under mutex_ and only while alive_

  Environment* environment_ = nullptr;  // JavaScript thread
  uint32_t holds_ = 0;                  // JavaScript thread
};

}  // namespace crabkv::addon
