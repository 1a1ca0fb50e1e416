// Work that may have to wait for the disk: a delivery that first runs on one of the store's reader threads, at once or
// in steps.
#pragma once

#include <memory>
#include <utility>

#include "native/addon/environment.h"
#include "native/addon/errors.h"
#include "native/addon/handle.h"

namespace crabkv::addon {

// Runs delivery->Run(store) on a reader thread, then posts the delivery, which must begin by releasing the gate's hold.
// False when the store takes no more jobs; `deferred` is rejected then.
template <typename Work>
bool SubmitDelivery(Environment& environment, Handle& handle, napi_deferred deferred, std::unique_ptr<Work> work) {
  std::shared_ptr<JobCount> jobs = handle.jobs();
  std::shared_ptr<Gate> gate = environment.shared_gate();
  Store* store = &handle.store();  // stays open until the jobs are done, see Handle::Release
  jobs->Begin();
  // std::function wants to be copied, and a delivery has one owner: it travels as a raw pointer, and every job runs.
  Work* raw = work.release();
  const Status status = store->Submit([raw, store, jobs, gate] {
    std::unique_ptr<Work> owned(raw);
    owned->Run(*store);
    gate->Post(std::move(owned));
    jobs->End();
  });
  if (status.ok()) {
    environment.gate().Hold();
    return true;
  }
  delete raw;
  jobs->End();
  Reject(environment, deferred, status.Is(Code::kBusy) ? DescribeBusyReaders(handle) : status);
  return false;
}

// On its way through the reader threads, a step at a time.
template <typename Work>
struct SteppedWork {
  Store* store;
  std::shared_ptr<JobCount> jobs;
  std::shared_ptr<Gate> gate;
  std::unique_ptr<Work> work;

  // A step, and then the end of the queue, so that long work does not keep others from the thread. When the queue takes
  // nothing (it is full, or the store closes) it goes on here.
  static void Advance(std::shared_ptr<SteppedWork> self) {
    while (!self->work->Step(*self->store)) {
      if (self->store->Submit([self] { Advance(self); }).ok()) return;
    }
    self->gate->Post(std::move(self->work));
    self->jobs->End();
  }
};

// Runs work->Step(store) on reader threads until it returns true; else as SubmitDelivery.
template <typename Work>
bool SubmitSteps(Environment& environment, Handle& handle, napi_deferred deferred, std::unique_ptr<Work> work) {
  auto stepped = std::make_shared<SteppedWork<Work>>(
      SteppedWork<Work>{&handle.store(), handle.jobs(), environment.shared_gate(), std::move(work)});
  stepped->jobs->Begin();
  const Status status = stepped->store->Submit([stepped] { SteppedWork<Work>::Advance(stepped); });
  if (status.ok()) {
    environment.gate().Hold();
    return true;
  }
  stepped->jobs->End();
  Reject(environment, deferred, status.Is(Code::kBusy) ? DescribeBusyReaders(handle) : status);
  return false;
}

}  // namespace crabkv::addon
