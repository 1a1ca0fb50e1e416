// Workloads of the core whose instructions are counted: WORKLOAD(name, "what it does") { setup; counted([&] { … }); }.
// Only what runs inside of `counted`, on this thread, is; and of other threads what run.mjs names. One program holds
// all of them, and runs the one that its argument names. A workload does the same in every run: fixed seeds, time that
// stands still, a disk in memory; it checks what it did.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace crabkv::instructions {

struct Workload {
  const char* name;
  void (*run)();
  Workload* next;
};

struct Registration {
  explicit Registration(Workload* workload);
};

// What callgrind counts is the inside of this function, which it knows by name.
extern "C" void CrabkvCounted(void (*body)(void*), void* context);

template <typename Body>
void Counted(Body body) {
  CrabkvCounted([](void* context) { (*static_cast<Body*>(context))(); }, &body);
}

}  // namespace crabkv::instructions

#define WORKLOAD(name)                                                                         \
  static void Workload_##name();                                                               \
  static ::crabkv::instructions::Workload workload_##name = {#name, Workload_##name, nullptr}; \
  static const ::crabkv::instructions::Registration registration_##name(&workload_##name);     \
  static void Workload_##name()

// Counts of work that went wrong are worth nothing.
#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
