#include "nets/int8_layer.h"

#include "nets/net_kernel.h"

namespace seehear {

void Int8Layer::Run(const int8_t* x, int8_t* y) const noexcept {
  ActiveNetKernel().layer(*this, x, y);
  if (table == nullptr) return;
  for (int o = 0; o < outputs; ++o) y[o] = table[y[o] + 128];
}

}  // namespace seehear
