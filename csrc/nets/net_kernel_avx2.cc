#include "nets/net_kernel_avx2.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include "nets/net_loops.h"

namespace seehear {
namespace {

bool RunsHere() noexcept {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2");
}

SEEHEAR_AVX2_INLINE __m256i Wide(const int8_t* p) noexcept {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

SEEHEAR_AVX2_INLINE __m256i WideHalf(const int8_t* p) noexcept {
  return _mm256_cvtepi8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}

// Values are widened to 16 bits, for the products of bytes that AVX2 has saturate.
SEEHEAR_AVX2 void Layer(const Int8Layer& layer, const int8_t* x, int8_t* y) noexcept {
  const int inputs = layer.inputs, whole = inputs / 16 * 16;
  for (int o = 0; o < layer.outputs; o += kAvx2Rows) {
    const int8_t* rows[kAvx2Rows];
    Avx2RowsFrom(layer, o, rows);
    __m256i sums[kAvx2Rows];
    for (__m256i& sum : sums) sum = _mm256_setzero_si256();
    for (int i = 0; i < whole; i += 16) {
      const __m256i v = Wide(x + i);
      for (int r = 0; r < kAvx2Rows; ++r) {
        sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(Wide(rows[r] + i), v));
      }
    }
    int i = whole;
    if (i + 8 <= inputs) {
      const __m256i v = WideHalf(x + i);
      for (int r = 0; r < kAvx2Rows; ++r) {
        sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(WideHalf(rows[r] + i), v));
      }
      i += 8;
    }
    Avx2Finish(layer, o, rows, i, x, sums, y);
  }
}

}  // namespace

SEEHEAR_AVX2 void Avx2Quantize(const float* values, int count, float scale, int zero_point,
                               int8_t* q) noexcept {
  QuantizeLoop(values, count, scale, zero_point, q);
}

SEEHEAR_AVX2 void Avx2Dequantize(const int8_t* q, int count, float scale, int zero_point,
                                 float* values) noexcept {
  DequantizeLoop(q, count, scale, zero_point, values);
}

SEEHEAR_AVX2 void Avx2Gru(const float* gx, const float* gh, const float* h, int units, float* next) noexcept {
  GruLoop(gx, gh, h, units, next);
}

const NetKernel kAvx2Kernel = {"avx2", RunsHere, Layer, Avx2Quantize, Avx2Dequantize, Avx2Gru};

}  // namespace seehear

#endif
