// One native store per directory and process: a second opener in this process (another handle or worker thread)
// attaches to the first one's store when the options agree. Process-wide and leaked on purpose.
#pragma once

#include <memory>
#include <string>

#include "native/core/store.h"

namespace crabkv {

// Store::Open, or the store that this process has open in the same directory (same device and inode), each with a
// reference of its own. kOptionsDiffer names the first option that disagrees (slot_to_shard is not compared).
// May block: opening, or another thread's opening or closing of the same directory.
Status OpenShared(Env* env, const std::string& path, const Options& options, OnOpenProgress on_progress,
                  std::shared_ptr<Store>* store);

// Gives a reference back; the last one closes the store. May block. `*store` is reset.
Status CloseShared(std::shared_ptr<Store>* store);

}  // namespace crabkv
