// A flat model of a few kilobytes (format: docs/firmware.md) for tests and fuzzing: hops of half a
// millisecond, 5 bands, nets of two or three units, with eyes. Its words can be changed before it is sealed.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "sight/lip_features.h"

namespace seehear {

class TestImage {
 public:
  static constexpr int kBands = 5, kMasks = 16, kRate = 16000, kHop = 8, kImages = 125;
  static constexpr size_t kMemory = 32 << 10;  // ample for it

  static constexpr float kDelay = 8.0f;  // ms

  explicit TestImage(bool vision = true, bool layers = true) : layers_(layers) {
    Text("test 1", 64);
    Ints({kRate, 4 * kHop, 2 * kHop, kHop, 1});
    Float(-20.0f);
    Ints({kBands + 1, 0, 1, 3, 6, 11, 17});
    Floats({1e-8f, -14.0f});
    Ints({20, 300});
    Float(4.0f);
    Repeat(kBands, 0.0f);
    Repeat(kBands, 2.0f);
    Ints({vision ? 6 : 2});
    Layer("audio_1", kBands, 3);
    Head("audio_out", 3, {{"y", kBands}});
    if (vision) {
      Layer("lips_1", LipFeatures::kSize, 2);
      Head("lips_out", 2, {{"y", kMasks * kBands}});
      Layer("gate_1", 2 * kBands, 2);
      Head("gate_out", 2, {{"gate", kBands}, {"mask", kBands}});
    }
    Net("audio", {"features"}, 3, {{"y", "irm"}});
    Ints({vision});
    if (!vision) return;
    Net("lips", {"lips"}, 2, {{"y", "ibm"}});
    Net("gate", {"irm", "ibm"}, 2, {{"gate", "gate"}, {"mask", "mask_av"}});
    Ints({kImages, kMasks});
    Floats({kDelay, 4.0f});
    Ints({10, 3, 2, 8});
    Repeat(LipFeatures::kSize, 0.0f);
    Repeat(LipFeatures::kSize, 1.0f);
  }

  // Everything behind the header.
  std::vector<uint32_t>& words() { return words_; }

  // The image with its header: magic, format, length, checksum, memory.
  std::vector<uint32_t> Seal(uint32_t memory = kMemory) const {
    std::vector<uint32_t> image = {0, 0, 1, static_cast<uint32_t>(4 * (words_.size() + 6)), 0, memory};
    image.insert(image.end(), words_.begin(), words_.end());
    std::memcpy(image.data(), "SEEHEAR", 8);
    MendChecksum(image.data(), 4 * image.size());
    return image;
  }

  // Makes the checksum of an image fit: what an attacker would do.
  static void MendChecksum(void* image, size_t size) {
    auto* bytes = static_cast<uint8_t*>(image);
    const uint32_t crc = Crc32(bytes + 20, size - 20);
    std::memcpy(bytes + 16, &crc, sizeof crc);
  }

 private:
  struct Tensor {
    const char* name;
    int size;
  };

  static uint32_t Crc32(const uint8_t* data, size_t size) {
    static const std::vector<uint32_t> table = [] {
      std::vector<uint32_t> made(256);
      for (uint32_t i = 0; i < 256; ++i) {
        uint32_t c = i;
        for (int k = 0; k < 8; ++k) c = (c >> 1) ^ ((c & 1) ? 0xedb88320u : 0);
        made[i] = c;
      }
      return made;
    }();
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; ++i) crc = (crc >> 8) ^ table[(crc ^ data[i]) & 255];
    return ~crc;
  }

  void Bytes(const void* data, size_t size) {
    const size_t at = words_.size();
    words_.resize(at + (size + 3) / 4);
    std::memcpy(words_.data() + at, data, size);
  }
  void Text(const std::string& text, size_t size = 32) {
    std::string padded = text;
    padded.resize(size);
    Bytes(padded.data(), size);
  }
  void Ints(const std::vector<int32_t>& values) { Bytes(values.data(), 4 * values.size()); }
  void Floats(const std::vector<float>& values) { Bytes(values.data(), 4 * values.size()); }
  void Float(float value) { Floats({value}); }
  void Repeat(int count, float value) { Floats(std::vector<float>(static_cast<size_t>(count), value)); }

  void Tensors(const std::vector<Tensor>& tensors) {
    Ints({static_cast<int32_t>(tensors.size())});
    for (const Tensor& tensor : tensors) {
      Text(tensor.name);
      Ints({1, tensor.size});
      Float(layers_ || tensor.size % 2 == 0 ? 0.05f : 0.0f);
      Ints({-3});
    }
  }
  void Product(int input, int inputs, int output, int outputs, bool table) {
    Ints({input, output, 5, 1, table});
    Ints(std::vector<int32_t>(static_cast<size_t>(outputs), 40));
    Ints({1 << 30, 36});
    std::vector<int8_t> bytes(256);
    for (int i = 0; table && i < 256; ++i) bytes[static_cast<size_t>(i)] = static_cast<int8_t>(i / 2);
    if (table) Bytes(bytes.data(), 256);
    bytes.resize(static_cast<size_t>(inputs * outputs));
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<int8_t>(37 * i % 251);
    Bytes(bytes.data(), bytes.size());
  }
  void Layer(const char* name, int inputs, int units) {
    Text(name);
    Tensors({{"x", inputs}, {"h", units}});
    Tensors({{"gx", 3 * units}, {"gh", 3 * units}});
    Ints({layers_ ? 2 : 0});
    if (!layers_) return;
    Product(0, inputs, 0, 3 * units, false);
    Product(1, units, 1, 3 * units, false);
  }
  void Head(const char* name, int units, const std::vector<Tensor>& outputs) {
    Text(name);
    Tensors({{"h", units}});
    Tensors(outputs);
    Ints({layers_ ? static_cast<int32_t>(outputs.size()) : 0});
    for (size_t i = 0; layers_ && i < outputs.size(); ++i)
      Product(0, units, static_cast<int>(i), outputs[i].size, true);
  }
  void Net(const std::string& name, const std::vector<std::string>& inputs, int units,
           const std::vector<std::pair<std::string, std::string>>& outputs) {
    Text(name);
    Ints({static_cast<int32_t>(inputs.size())});
    for (const std::string& input : inputs) Text(input);
    Ints({0, 1});
    Text(name + "_1");
    Ints({units});
    Text(name + "_out");
    Ints({static_cast<int32_t>(outputs.size())});
    for (const auto& [tensor, role] : outputs) {
      Text(tensor);
      Text(role);
    }
  }

  bool layers_;  // false: as hosts have it, whose graphs something else runs
  std::vector<uint32_t> words_;
};

}  // namespace seehear
