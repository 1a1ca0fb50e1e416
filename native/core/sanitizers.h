// Which sanitizer the code is compiled for: GCC and clang say so in different ways.
#pragma once

#if defined(__has_feature)
#define CRABKV_HAS_FEATURE(feature) __has_feature(feature)
#else
#define CRABKV_HAS_FEATURE(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || CRABKV_HAS_FEATURE(address_sanitizer)
#define CRABKV_ASAN 1
#else
#define CRABKV_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__) || CRABKV_HAS_FEATURE(thread_sanitizer)
#define CRABKV_TSAN 1
#else
#define CRABKV_TSAN 0
#endif
