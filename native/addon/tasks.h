// The long tasks of an environment that run on native threads of their own (a verification, a repair): by a token of
// JavaScript's choice, so that it can have one given up. JavaScript thread only; a task looks at nothing but its flag.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>

namespace crabkv::addon {

class Tasks {
 public:
  // Set: the task is to end soon. Owned by both sides.
  using Flag = std::shared_ptr<std::atomic<bool>>;

  // `handle_id`: of the store whose closing ends the task; 0 for none.
  Flag Begin(uint32_t token, uint32_t handle_id) {
    auto flag = std::make_shared<std::atomic<bool>>(false);
    tasks_[token] = {handle_id, flag};
    return flag;
  }
  void End(uint32_t token) { tasks_.erase(token); }
  void Cancel(uint32_t token) {
    const auto found = tasks_.find(token);
    if (found != tasks_.end()) found->second.flag->store(true);
  }
  void CancelOf(uint32_t handle_id) {
    for (auto& [token, task] : tasks_) {
      if (task.handle_id == handle_id) task.flag->store(true);
    }
  }
  void CancelAll() {
    for (auto& [token, task] : tasks_) task.flag->store(true);
  }

 private:
  struct Task {
    uint32_t handle_id = 0;
    Flag flag;
  };
  std::unordered_map<uint32_t, Task> tasks_;
};

}  // namespace crabkv::addon
