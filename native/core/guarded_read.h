// Reading mapped files without dying of them: a page that cannot be had (a failing disk, a file cut short by somebody)
// raises SIGBUS, which kills Node. A guarded leaf says which range it may touch; a SIGBUS of its own thread inside that
// range abandons the leaf, and any other one goes to the handler that was there before ours.
//
// Any thread may run leaves; nothing is allocated and nothing locked. A thread that blocks SIGBUS is not protected: the
// kernel kills the process when a synchronous signal is blocked (Env::StartThread leaves it open).
#pragma once

#include <cstddef>
#include <type_traits>

namespace crabkv {

// Puts the process's SIGBUS handler in place, once; later calls do nothing. REQUIRES: called before the first guarded
// read. When somebody replaces the handler afterwards, a SIGBUS does what it would do without us.
void InstallGuard();

using GuardedLeaf = void (*)(void* context);

// Calls leaf(context), which may touch [begin, end) of a mapping; false when a SIGBUS there cut it short (what it had
// written so far stays written). The leaf is left by siglongjmp: it must hold no lock, own nothing that a destructor
// releases, and allocate nothing. Leaves may nest.
[[nodiscard]] bool RunGuarded(const char* begin, const char* end, GuardedLeaf leaf, void* context);

// The same for a callable, e.g. a lambda that copies a record and computes its CRC.
template <typename Leaf>
[[nodiscard]] bool RunGuarded(const char* begin, const char* end, Leaf&& leaf) {
  using Callable = std::remove_reference_t<Leaf>;
  static_assert(std::is_trivially_destructible_v<Callable>, "the leaf may be abandoned half-way");
  return RunGuarded(
      begin, end, [](void* context) { (*static_cast<Callable*>(context))(); }, &leaf);
}

// memcpy from a mapping; on false any part of `to` may have been written.
[[nodiscard]] bool GuardedCopy(char* to, const char* from, size_t length);

}  // namespace crabkv
