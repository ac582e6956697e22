// Which kernels there are beside the scalar one: for net_kernel*.cc only. Their functions carry the
// instructions that they need as attributes, so that a build needs no flag and no other code can come to hold
// them. What another architecture, or a compiler that does not know the instructions, would have to compile
// is left out.
#pragma once

#include "nets/net_kernel.h"

namespace seehear {

void ScalarQuantize(const float* values, int count, float scale, int zero_point, int8_t* q) noexcept;
void ScalarDequantize(const int8_t* q, int count, float scale, int zero_point, float* values) noexcept;
void ScalarGru(const float* gx, const float* gh, const float* h, int units, float* next) noexcept;

#if defined(__x86_64__) && defined(__GNUC__)
extern const NetKernel kAvx2Kernel, kAvxVnniKernel, kAvx512VnniKernel;
#define SEEHEAR_NET_KERNELS &kAvx2Kernel, &kAvxVnniKernel, &kAvx512VnniKernel
#elif defined(__aarch64__) && defined(__GNUC__)
extern const NetKernel kNeonKernel, kNeonDotKernel;
// Clang before 16 gives the dot product only to whole files of its own.
#if defined(__ARM_FEATURE_DOTPROD) || (defined(__linux__) && (!defined(__clang__) || __clang_major__ >= 16))
#define SEEHEAR_NEON_DOT
#define SEEHEAR_NET_KERNELS &kNeonKernel, &kNeonDotKernel
#else
#define SEEHEAR_NET_KERNELS &kNeonKernel
#endif
#endif

}  // namespace seehear
