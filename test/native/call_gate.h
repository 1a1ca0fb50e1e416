// Holds calls of an Env back just before they return, so that a test can do something while the store has not yet
// heard of them: without it, what "has not happened yet" is a matter of luck.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "test/native/fault_env.h"

namespace crabkv::test {

// Closed from the start; uses the Env's hook.
class CallGate {
 public:
  CallGate(FaultEnv* env, uint32_t kinds) : env_(env) {
    env->SetHook([door = door_, kinds](const Call& call) {
      if ((call.kind & kinds) == 0) return;
      std::unique_lock<std::mutex> lock(door->mutex);
      while (!door->open) door->opens.wait(lock);
    });
  }
  ~CallGate() {
    Open();
    env_->SetHook(nullptr);
  }
  CallGate(const CallGate&) = delete;
  CallGate& operator=(const CallGate&) = delete;

  void Open() {
    const std::lock_guard<std::mutex> hold(door_->mutex);
    door_->open = true;
    door_->opens.notify_all();
  }

 private:
  // Shared with the calls that are on their way through when the gate is gone.
  struct Door {
    std::mutex mutex;
    std::condition_variable opens;
    bool open = false;
  };
  FaultEnv* const env_;
  const std::shared_ptr<Door> door_ = std::make_shared<Door>();
};

}  // namespace crabkv::test
