// A recurrent net split between graphs (matrix products, any runtime) and float cells (here).
// Layer k: graph [x, h] -> [gx, gh], then the cell; the head graph maps the last h to outputs.
#pragma once

#include <utility>

#include "nets/graph.h"
#include "nets/recurrent_cell.h"

namespace seehear {

struct LayerSpec {
  Text graph;
  int units = 0;
};

struct NetSpec {
  Text name;
  Vector<Text> inputs;  // roles, concatenated into x of the first layer
  Vector<LayerSpec> layers;
  Text head;
  Vector<std::pair<Text, Text>> outputs;  // tensor of the head, role
};

class RecurrentNet {
 public:
  // input_size: values in x. graphs: prepared; they must outlive the net and stay where they are.
  Status Prepare(const NetSpec& spec, int input_size, Vector<Graph>* graphs);
  void Reset() noexcept;

  // The values of an output role, or nullptr with the reason in `status` if it is absent or not of `size`
  // values.
  const float* Output(const char* role, int size, Status* status) const;

  // Sets `count` values of x from value `offset` on.
  void Feed(const float* values, int offset, int count) noexcept { x_->Write(values, offset, count); }
  // Runs all graphs. False if one failed or gave a value that is not finite: then state and outputs are as
  // before.
  bool Process(const Invoke& invoke) noexcept;

 private:
  struct Layer {
    int graph = 0;
    RecurrentCell cell;
    TensorPort* x = nullptr;
    TensorPort* h = nullptr;
    TensorPort* gx = nullptr;
    TensorPort* gh = nullptr;
  };
  struct HeadOutput {
    Text role;
    TensorPort* port = nullptr;
    Vector<float> values;
  };

  Status Find(const Text& graph, Vector<Graph>* graphs, int* index) const;
  Status PrepareLayer(const LayerSpec& spec, int input_size, Vector<Graph>* graphs, Layer* layer);

  Text name_;
  Vector<Layer> layers_;
  int head_ = 0;
  TensorPort* x_ = nullptr;
  TensorPort* head_h_ = nullptr;
  Vector<HeadOutput> outputs_;
  Vector<float> gx_, gh_;  // pre-activations of the layer at work
};

}  // namespace seehear
