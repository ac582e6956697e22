#include "nets/net_kernel_avx2.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <cpuid.h>

namespace seehear {
namespace {

#define SEEHEAR_AVX_VNNI __attribute__((target("avx2,avxvnni")))
#define SEEHEAR_AVX_VNNI_INLINE inline __attribute__((always_inline, target("avx2,avxvnni")))

bool RunsHere() noexcept {
  // Not every compiler knows this feature by name.
  unsigned a = 0, b = 0, c = 0, d = 0;
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

// The instruction takes unsigned times signed: 128 is added to each weight (in its bits: the sign flips) and
// 128 times the sum of x taken off the result. No sum of it saturates.
SEEHEAR_AVX_VNNI_INLINE __m256i Add(__m256i sum, __m256i w, __m256i x) noexcept {
  return _mm256_dpbusd_avx_epi32(sum, _mm256_xor_si256(w, _mm256_set1_epi8(-128)), x);
}

SEEHEAR_AVX_VNNI_INLINE __m256i Load(const int8_t* p) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

SEEHEAR_AVX_VNNI_INLINE __m256i LoadQuarter(const int8_t* p) noexcept {
  return _mm256_zextsi128_si256(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}

SEEHEAR_AVX_VNNI void Layer(const Int8Layer& layer, const int8_t* x, int8_t* y) noexcept {
  const int inputs = layer.inputs, whole = inputs / 32 * 32, eights = inputs / 8 * 8;
  const __m256i offset = _mm256_set1_epi8(-128);  // 128, unsigned
  __m256i extra = _mm256_setzero_si256();
  for (int i = 0; i < whole; i += 32) extra = _mm256_dpbusd_avx_epi32(extra, offset, Load(x + i));
  for (int i = whole; i < eights; i += 8) {
    extra = _mm256_dpbusd_avx_epi32(extra, offset, LoadQuarter(x + i));
  }
  for (int o = 0; o < layer.outputs; o += kAvx2Rows) {
    const int8_t* rows[kAvx2Rows];
    Avx2RowsFrom(layer, o, rows);
    __m256i sums[kAvx2Rows];
    for (__m256i& sum : sums) sum = _mm256_sub_epi32(_mm256_setzero_si256(), extra);
    for (int i = 0; i < whole; i += 32) {
      const __m256i v = Load(x + i);
      for (int r = 0; r < kAvx2Rows; ++r) sums[r] = Add(sums[r], Load(rows[r] + i), v);
    }
    for (int i = whole; i < eights; i += 8) {
      const __m256i v = LoadQuarter(x + i);
      for (int r = 0; r < kAvx2Rows; ++r) sums[r] = Add(sums[r], LoadQuarter(rows[r] + i), v);
    }
    Avx2Finish(layer, o, rows, eights, x, sums, y);
  }
}

}  // namespace

const NetKernel kAvxVnniKernel = {"avx-vnni", RunsHere, Layer, Avx2Quantize, Avx2Dequantize, Avx2Gru};

}  // namespace seehear

#endif
