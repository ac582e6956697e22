#include "firmware/model_image.h"

#include <cstring>

namespace seehear {
namespace {

constexpr char kMagic[] = "SEEHEAR";                    // eight bytes with its 0
constexpr size_t kHeader = 24;                          // magic, version, size, checksum, memory
constexpr size_t kTextSize = ModelImage::kMaxName + 1;  // names are padded with 0 to this
// values of a tensor of a graph that something else runs: all masks of an image, of as many bands as there
// are bins
constexpr int kMaxValues = MaskAligner::kMaxMasks * (FrameSpec::kMaxAnalysis / 2 + 1);

// CRC-32 as zlib computes it, four bits at a time: small enough for flash, fast enough for half a megabyte.
uint32_t Crc32(const uint8_t* data, size_t size) noexcept {
  uint32_t table[16];
  for (uint32_t i = 0; i < 16; ++i) {
    uint32_t c = i;
    for (int k = 0; k < 4; ++k) c = (c >> 1) ^ ((c & 1) ? 0xedb88320u : 0);
    table[i] = c;
  }
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < size; ++i) {
    crc ^= data[i];
    crc = (crc >> 4) ^ table[crc & 15];
    crc = (crc >> 4) ^ table[crc & 15];
  }
  return ~crc;
}

uint32_t Word(const uint8_t* data) noexcept {
  uint32_t word;
  std::memcpy(&word, data, sizeof word);
  return word;
}

// Walks over the image; after the first thing that does not fit everything it gives is empty.
class Reader {
 public:
  Reader(const uint8_t* data, size_t size) : next_(data), left_(size) {}

  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && left_ == 0; }

  template <typename T>
  const T* Table(int count) noexcept {
    // Compared before it is multiplied: where size_t has 32 bits, the product of a large count may look
    // small.
    if (count < 0 || static_cast<size_t>(count) > left_ / sizeof(T)) ok_ = false;
    // Tables are padded to whole words, so that the next one is aligned.
    const size_t bytes = ok_ ? (static_cast<size_t>(count) * sizeof(T) + 3) / 4 * 4 : 0;
    if (bytes > left_) ok_ = false;
    if (!ok_) return nullptr;
    const T* table = reinterpret_cast<const T*>(next_);
    next_ += bytes;
    left_ -= bytes;
    return table;
  }

  template <typename T>
  Vector<T> View(int count) noexcept {
    const T* table = Table<T>(count);
    return Vector<T>::View(table, table == nullptr ? 0 : count);
  }

  int Int() noexcept {
    const int32_t* value = Table<int32_t>(1);
    return value == nullptr ? 0 : *value;
  }
  float Float() noexcept {
    const float* value = Table<float>(1);
    return value == nullptr ? 0.0f : *value;
  }
  // A whole number of items in a list.
  int Count() noexcept {
    const int count = Int();
    if (count < 0 || count > ModelImage::kMaxItems) ok_ = false;
    return ok_ ? count : 0;
  }
  Text Name() noexcept {
    const char* text = Table<char>(static_cast<int>(kTextSize));
    if (text != nullptr && std::memchr(text, 0, kTextSize) == nullptr) ok_ = false;
    return ok_ ? Text::View(text) : Text();
  }

 private:
  const uint8_t* next_;
  size_t left_;
  bool ok_ = true;
};

Status ReadTensors(Reader* reader, bool bare, Vector<TensorSpec>* tensors) {
  SEEHEAR_RETURN_IF_ERROR(tensors->Allocate(reader->Count()));
  for (TensorSpec& tensor : *tensors) {
    tensor.name = reader->Name();
    tensor.shape = reader->View<int>(2);
    tensor.scale = reader->Float();
    tensor.dtype = bare && tensor.scale == 0.0f ? DType::kFloat32 : DType::kInt8;
    tensor.zero_point = reader->Int();
    const int most = bare ? kMaxValues : Int8Layer::kMaxInputs;
    if (reader->ok() && (tensor.shape[0] != 1 || tensor.shape[1] < 1 || tensor.shape[1] > most)) {
      return Status::Error("model: tensor %s must be of shape 1 x n, got %d x %d", tensor.name.c_str(),
                           tensor.shape[0], tensor.shape[1]);
    }
  }
  return Status::Ok();
}

bool Fits(const Int8Layer& layer) {
  for (int i = 0; i < layer.scales; ++i) {
    if (layer.multiplier[i] < 0 || layer.shift[i] < 1 || layer.shift[i] > Int8Layer::kMaxShift) return false;
  }
  return layer.zero_point >= -128 && layer.zero_point <= 127;
}

Status ReadStep(Reader* reader, const GraphSpec& graph, Int8Graph::Step* step, uint64_t* written) {
  const int input = reader->Int(), output = reader->Int();
  Int8Layer& layer = step->layer;
  layer.zero_point = reader->Int();
  layer.scales = reader->Int();
  const bool has_table = reader->Int() != 0;
  const bool known = reader->ok() && input >= 0 && input < graph.inputs.size() && output >= 0 &&
                     output < graph.outputs.size();
  if (!known) return Status::Error("model: a layer of graph %s names no tensor of it", graph.name.c_str());
  SEEHEAR_RETURN_IF_ERROR(step->input.CopyFrom(graph.inputs[input].name));
  SEEHEAR_RETURN_IF_ERROR(step->output.CopyFrom(graph.outputs[output].name));
  layer.inputs = graph.inputs[input].shape[1];
  layer.outputs = graph.outputs[output].shape[1];
  *written |= uint64_t{1} << output;
  if (layer.scales != 1 && layer.scales != layer.outputs) {
    return Status::Error("model: graph %s: 1 or %d scales expected, got %d", graph.name.c_str(),
                         layer.outputs, layer.scales);
  }
  layer.bias = reader->Table<int32_t>(layer.outputs);
  layer.multiplier = reader->Table<int32_t>(layer.scales);
  layer.shift = reader->Table<int32_t>(layer.scales);
  if (has_table) layer.table = reader->Table<int8_t>(256);
  layer.weights = reader->Table<int8_t>(layer.outputs * layer.inputs);
  if (!reader->ok() || !Fits(layer)) {
    return Status::Error("model: graph %s: weights or scales out of range", graph.name.c_str());
  }
  return Status::Ok();
}

Status ReadGraph(Reader* reader, GraphSpec* spec, Int8Graph* graph) {
  spec->name = reader->Name();
  SEEHEAR_RETURN_IF_ERROR(ReadTensors(reader, graph == nullptr, &spec->inputs));
  SEEHEAR_RETURN_IF_ERROR(ReadTensors(reader, graph == nullptr, &spec->outputs));
  const int steps = reader->Count();
  if (graph == nullptr) {
    return steps == 0
               ? Status::Ok()
               : Status::Error("model: graph %s: no layers expected, got %d", spec->name.c_str(), steps);
  }
  SEEHEAR_RETURN_IF_ERROR(graph->name.CopyFrom(spec->name));
  SEEHEAR_RETURN_IF_ERROR(graph->steps.Allocate(steps));
  uint64_t written = 0;
  for (Int8Graph::Step& step : graph->steps) {
    SEEHEAR_RETURN_IF_ERROR(ReadStep(reader, *spec, &step, &written));
  }
  for (int i = 0; i < spec->outputs.size(); ++i) {
    if ((written >> i & 1) == 0) {
      return Status::Error("model: graph %s computes no %s", spec->name.c_str(),
                           spec->outputs[i].name.c_str());
    }
  }
  return Status::Ok();
}

Status ReadNet(Reader* reader, NetSpec* net) {
  net->name = reader->Name();
  SEEHEAR_RETURN_IF_ERROR(net->inputs.Allocate(reader->Count()));
  for (Text& input : net->inputs) input = reader->Name();
  const int cell = reader->Int();
  if (cell != 0)
    return Status::Error("model: network %s: cell must be 0 (GRU), got %d", net->name.c_str(), cell);
  SEEHEAR_RETURN_IF_ERROR(net->layers.Allocate(reader->Count()));
  for (LayerSpec& layer : net->layers) {
    layer.graph = reader->Name();
    layer.units = reader->Int();
  }
  net->head = reader->Name();
  SEEHEAR_RETURN_IF_ERROR(net->outputs.Allocate(reader->Count()));
  for (auto& [tensor, role] : net->outputs) {
    tensor = reader->Name();
    role = reader->Name();
  }
  return Status::Ok();
}

void ReadVisual(Reader* reader, VisualSpec* visual) {
  visual->rate = reader->Int();
  visual->masks_per_image = reader->Int();
  visual->delay_ms = reader->Float();
  visual->clip = reader->Float();
  visual->frozen_images = reader->Int();
  visual->images_on = reader->Int();
  visual->images_off = reader->Int();
  visual->queue = reader->Int();
  visual->mean = reader->View<float>(LipFeatures::kSize);
  visual->std_dev = reader->View<float>(LipFeatures::kSize);
}

}  // namespace

Status ModelImage::Open(const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  if (data == nullptr || reinterpret_cast<uintptr_t>(data) % 4 != 0) {
    return Status::Error("model: expected an address that 4 divides");
  }
  if (size < kHeader + 2 * kTextSize || std::memcmp(bytes, kMagic, sizeof kMagic) != 0) {
    return Status::Error("model: not a flat model (made by `seehear export`), or cut off");
  }
  if (Word(bytes + 8) != kVersion) {
    return Status::Error("model: format %d expected, got %d: export it again", static_cast<int>(kVersion),
                         static_cast<int>(Word(bytes + 8)));
  }
  if (Word(bytes + 12) != size) {
    return Status::Error("model: %d bytes expected, got %d", static_cast<int>(Word(bytes + 12)),
                         static_cast<int>(size));
  }
  if (Crc32(bytes + 20, size - 20) != Word(bytes + 16)) {
    return Status::Error("model: the checksum does not fit: it was damaged on its way here");
  }
  if (std::memchr(bytes + kHeader, 0, 2 * kTextSize) == nullptr)
    return Status::Error("model: its name has no end");
  data_ = bytes;
  size_ = size;
  memory_ = Word(bytes + 20);
  name_ = reinterpret_cast<const char*>(bytes + kHeader);
  return Status::Ok();
}

Status ModelImage::Read(SchedulerConfig* config, Vector<Int8Graph>* graphs) const {
  Reader reader(data_ + kHeader + 2 * kTextSize, size_ - kHeader - 2 * kTextSize);
  config->frame.rate = reader.Int();
  config->frame.analysis = reader.Int();
  config->frame.synthesis = reader.Int();
  config->frame.hop = reader.Int();
  config->form = reader.Int() == 0 ? FusionForm::kProduct : FusionForm::kAv;
  config->floor_db = reader.Float();
  const int edges = reader.Int();
  config->edges = reader.View<int>(edges);
  FeatureSpec& features = config->features;
  features.floor = reader.Float();
  features.level_init = reader.Float();
  features.level_prior = reader.Int();
  features.level_hops = reader.Int();
  features.clip = reader.Float();
  const int bands = edges > 0 ? edges - 1 : 0;  // View has refused a count below 0
  features.mean = reader.View<float>(bands);
  features.std_dev = reader.View<float>(bands);

  SEEHEAR_RETURN_IF_ERROR(config->graphs.Allocate(reader.Count()));
  if (graphs != nullptr) SEEHEAR_RETURN_IF_ERROR(graphs->Allocate(config->graphs.size()));
  for (int i = 0; i < config->graphs.size(); ++i) {
    Int8Graph* graph = graphs == nullptr ? nullptr : &(*graphs)[i];
    SEEHEAR_RETURN_IF_ERROR(ReadGraph(&reader, &config->graphs[i], graph));
  }
  SEEHEAR_RETURN_IF_ERROR(ReadNet(&reader, &config->audio));
  config->has_vision = reader.Int() != 0;
  if (config->has_vision) {
    SEEHEAR_RETURN_IF_ERROR(ReadNet(&reader, &config->lips));
    SEEHEAR_RETURN_IF_ERROR(ReadNet(&reader, &config->gate));
    ReadVisual(&reader, &config->visual);
  }
  if (!reader.at_end()) return Status::Error("model: its parts do not add up to its length");
  return Status::Ok();
}

}  // namespace seehear
