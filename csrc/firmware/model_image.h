// The flat model of firmware (format: docs/firmware.md): read in place, from flash. Nothing in it is trusted
// before its length, checksum and every number that reaches an index has been checked.
#pragma once

#include <cstddef>
#include <cstdint>

#include "enhance/hop_scheduler.h"
#include "nets/int8_graph.h"

namespace seehear {

class ModelImage {
 public:
  static constexpr uint32_t kVersion = 1;
  static constexpr int kMaxItems = 64;  // graphs, tensors, layers: anything that is listed
  static constexpr int kMaxName = 31;   // bytes of the name of a graph, a tensor, a role

  // data: aligned to 4 bytes; it must outlive the image and all that Read gives. Checks length and checksum.
  Status Open(const void* data, size_t size);

  // Memory that seehear_init needs, an upper bound for every machine (measured where pointers have 64 bits).
  size_t memory() const { return memory_; }
  const char* name() const { return name_; }  // name and version of the model

  // The configuration and the layers of its graphs, in the order of config->graphs; tables stay views of the
  // image. graphs may be nullptr for an image without layers, whose graphs something else runs: their tensors
  // may then be float32 (scale 0), and larger.
  Status Read(SchedulerConfig* config, Vector<Int8Graph>* graphs) const;

 private:
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t memory_ = 0;
  const char* name_ = "";
};

}  // namespace seehear
