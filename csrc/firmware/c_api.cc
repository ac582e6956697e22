#include "firmware/c_api.h"

#include <cstring>
#include <new>

#include "enhance/hop_scheduler.h"
#include "enhance/stream.h"
#include "firmware/model_image.h"
#include "nets/int8_executor.h"
#include "signal/sample_convert.h"

using seehear::Arena;
using seehear::Counters;
using seehear::Graph;
using seehear::HopScheduler;
using seehear::Int8Executor;
using seehear::Int8Graph;
using seehear::ModelImage;
using seehear::SampleConvert;
using seehear::SchedulerConfig;
using seehear::Sentence;
using seehear::Status;
using seehear::Stream;
using seehear::TensorPort;
using seehear::Vector;

static_assert(sizeof(seehear_error::text) == Sentence::kCapacity, "every sentence fits");
static_assert(SEEHEAR_MEMORY_ALIGNMENT == Arena::kAlignment, "one alignment");

// What lies at the front of the caller's memory; the rest of it belongs to these members.
struct seehear_handle {
  HopScheduler core;
  Int8Executor executor;
  Vector<float> block;  // of seehear_process_int16
  size_t used = 0;

  Status Prepare(const ModelImage& image) {
    SchedulerConfig config;
    Vector<Int8Graph> layers;
    SEEHEAR_RETURN_IF_ERROR(image.Read(&config, &layers));
    SEEHEAR_RETURN_IF_ERROR(core.Prepare(config));
    SEEHEAR_RETURN_IF_ERROR(executor.Prepare(&core.graphs(), layers));
    core.set_invoke(executor.invoke());
    return block.Allocate(core.hop());
  }
};

struct seehear_stream_handle {
  Stream stream;
};

namespace {

void Report(const Status& status, seehear_error* error) {
  if (error != nullptr) std::memcpy(error->text, status.text(), sizeof error->text);
}

// A T at the front of `memory`, and behind it what prepare(T*) makes; needed: bytes that are known to be
// enough.
template <typename T, typename Prepare>
Status Place(void* memory, size_t size, size_t needed, const char* what, T** placed, Prepare prepare) {
  if (memory == nullptr || reinterpret_cast<uintptr_t>(memory) % Arena::kAlignment != 0) {
    return Status::Error("memory: expected an address that %d divides", static_cast<int>(Arena::kAlignment));
  }
  Arena arena(memory, size);
  const Arena::Use use(&arena);
  void* front = arena.Take(sizeof(T));
  // Who says that less than a T is enough is wrong, but gets a sentence all the same.
  Status status = Status::Error("memory: %s needs more than %d bytes", what, static_cast<int>(size));
  if (front != nullptr) {
    T* handle = new (front) T;
    status = prepare(handle, arena);
    if (status.ok()) *placed = handle;
  }
  if (status.ok() || size >= needed) return status;
  return Status::Error("memory: %s needs %d bytes, got %d", what, static_cast<int>(needed),
                       static_cast<int>(size));
}

Status Init(const void* model, size_t model_size, void* memory, size_t memory_size, seehear_t** handle) {
  ModelImage image;
  SEEHEAR_RETURN_IF_ERROR(image.Open(model, model_size));
  return Place(memory, memory_size, image.memory(), "this model", handle,
               [&image](seehear_t* s, const Arena& arena) {
                 SEEHEAR_RETURN_IF_ERROR(s->Prepare(image));
                 s->used = arena.used();
                 return Status::Ok();
               });
}

Status InitStream(seehear_t* s, int rate, void* memory, size_t memory_size, seehear_stream_t** handle) {
  return Place(
      memory, memory_size, seehear_stream_needed_memory(s, rate), "a stream at this rate", handle,
      [s, rate](seehear_stream_t* stream, const Arena&) { return stream->stream.Prepare(&s->core, rate); });
}

Graph* FindGraph(seehear_t* s, int graph) {
  return graph >= 0 && graph < s->core.graphs().size() ? &s->core.graphs()[graph] : nullptr;
}

}  // namespace

size_t seehear_needed_memory(const void* model, size_t model_size) {
  ModelImage image;
  return image.Open(model, model_size).ok() ? image.memory() : 0;
}

seehear_t* seehear_init(const void* model, size_t model_size, void* memory, size_t memory_size,
                        seehear_error* error) {
  seehear_t* handle = nullptr;
  Report(Init(model, model_size, memory, memory_size, &handle), error);
  return handle;
}

size_t seehear_used_memory(const seehear_t* s) { return s->used; }

void seehear_reset(seehear_t* s) { s->core.Reset(); }

int seehear_rate(const seehear_t* s) { return s->core.rate(); }

int seehear_hop(const seehear_t* s) { return s->core.hop(); }

int seehear_latency(const seehear_t* s) { return s->core.latency(); }

int seehear_bands(const seehear_t* s) { return s->core.bands(); }

void seehear_process(seehear_t* s, const float* in, float* out) { s->core.Process(in, out); }

void seehear_process_int16(seehear_t* s, const int16_t* in, int16_t* out) {
  float* block = s->block.data();
  const int hop = s->core.hop();
  SampleConvert::ToFloat(in, hop, block);
  s->core.Process(block, block);
  const int saturated = SampleConvert::ToInt16(block, hop, out);
  if (saturated > 0)
    s->core.counters().Add(seehear::Counter::kSaturatedSamples, static_cast<uint32_t>(saturated));
}

void seehear_flush(seehear_t* s, float* out) { s->core.Flush(out); }

size_t seehear_stream_needed_memory(const seehear_t* s, int rate) {
  const size_t inside = Stream::Memory(s->core, rate);
  return inside == 0 ? 0 : Arena::Whole(sizeof(seehear_stream_handle)) + inside;
}

seehear_stream_t* seehear_stream_init(seehear_t* s, int rate, void* memory, size_t memory_size,
                                      seehear_error* error) {
  seehear_stream_t* handle = nullptr;
  Report(InitStream(s, rate, memory, memory_size, &handle), error);
  return handle;
}

int seehear_stream_latency(const seehear_stream_t* stream) { return stream->stream.latency(); }

void seehear_stream_process(seehear_stream_t* stream, const float* in, int count, float* out) {
  stream->stream.Process(in, count, out);
}

void seehear_stream_process_int16(seehear_stream_t* stream, const int16_t* in, int count, int16_t* out) {
  stream->stream.Process(in, count, out);
}

void seehear_stream_flush(seehear_stream_t* stream, float* out) { stream->stream.Flush(out); }

void seehear_stream_flush_int16(seehear_stream_t* stream, int16_t* out) { stream->stream.Flush(out); }

void seehear_stream_reset(seehear_stream_t* stream) { stream->stream.Reset(); }

const uint16_t seehear_landmark_mesh[SEEHEAR_LANDMARKS] = {
    // outer lips, right corner to left corner along the lower lip, then back along the upper lip
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409,
    // inner lips, in the same order
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415,
    // eye corners (two of the subject's right eye, two of the left), nose tip, bridge, chin, face sides,
    // forehead
    33, 133, 362, 263, 1, 168, 152, 234, 454, 10};

double seehear_now(const seehear_t* s) { return s->core.now(); }

const float* seehear_mask(const seehear_t* s) { return s->core.mask(); }

int seehear_has_vision(const seehear_t* s) { return s->core.has_vision(); }

int seehear_see(seehear_t* s, const float* landmarks, double t) { return s->core.See(landmarks, t); }

const char* seehear_face_state(const seehear_t* s) { return s->core.face().state().name(); }

float seehear_agreement(const seehear_t* s) { return s->core.face().agreement(); }

int seehear_set_strength(seehear_t* s, float strength) { return s->core.set_strength(strength); }

int seehear_set_floor_db(seehear_t* s, float floor_db) { return s->core.set_floor_db(floor_db); }

int seehear_set_visual_delay_ms(seehear_t* s, float delay_ms) {
  return s->core.set_visual_delay_ms(delay_ms);
}

int seehear_counter_count(void) { return Counters::kCount; }

const char* seehear_counter_name(int index) {
  return index >= 0 && index < Counters::kCount ? Counters::Name(index) : nullptr;
}

uint32_t seehear_counter(const seehear_t* s, const char* name) {
  for (int i = 0; i < Counters::kCount; ++i) {
    if (std::strcmp(Counters::Name(i), name) == 0) return s->core.counters().Get(i);
  }
  return 0;
}

void seehear_set_invoke(seehear_t* s, seehear_invoke invoke, void* context) {
  s->core.set_invoke(invoke == nullptr ? s->executor.invoke() : seehear::Invoke{invoke, context});
}

int seehear_run_int8(seehear_t* s, int graph) { return s->executor.Run(graph); }

int seehear_graph_count(const seehear_t* s) { return s->core.graphs().size(); }

const char* seehear_graph_name(const seehear_t* s, int graph) {
  return graph >= 0 && graph < s->core.graphs().size() ? s->core.graphs()[graph].name().c_str() : nullptr;
}

int8_t* seehear_tensor(seehear_t* s, int graph, const char* tensor, int* size) {
  Graph* found = FindGraph(s, graph);
  if (found == nullptr) return nullptr;
  TensorPort* port = found->Input(tensor);
  if (port == nullptr) port = found->Output(tensor);
  if (port == nullptr) return nullptr;
  if (size != nullptr) *size = port->size();
  return static_cast<int8_t*>(port->data());
}
