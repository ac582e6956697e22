#include "nets/net_kernel_neon.h"

#if defined(__aarch64__) && defined(__GNUC__)

namespace seehear {
namespace {

bool RunsHere() noexcept { return true; }

// Two products of -128 and -128 do not fit into 16 bits: each is added to the sum by itself.
struct Sum {
  static int32x4_t Add8(int32x4_t sum, int8x8_t w, int8x8_t x) noexcept {
    return vpadalq_s16(sum, vmull_s8(w, x));
  }
  static int32x4_t Add16(int32x4_t sum, int8x16_t w, int8x16_t x) noexcept {
    return vpadalq_s16(Add8(sum, vget_low_s8(w), vget_low_s8(x)), vmull_high_s8(w, x));
  }
};

void Layer(const Int8Layer& layer, const int8_t* x, int8_t* y) noexcept { NeonLayer<Sum>(layer, x, y); }

}  // namespace

const NetKernel kNeonKernel = {"neon", RunsHere, Layer, ScalarQuantize, ScalarDequantize, ScalarGru};

}  // namespace seehear

#endif
