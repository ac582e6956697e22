// A recurrent net split between graphs (matrix products, any runtime) and float cells (here).
// Layer k: graph [x, h] -> [gx, gh] (GRU) or [g] (LSTM), then the cell; the head graph maps the last h to
// outputs.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "graph.h"
#include "recurrent_cell.h"

namespace seehear {

struct LayerSpec {
  std::string graph;
  int units = 0;
};

struct NetSpec {
  std::string name;
  std::vector<std::string> inputs;  // roles, concatenated into x of the first layer
  CellKind cell = CellKind::kGru;
  std::vector<LayerSpec> layers;
  std::string head;
  std::vector<std::pair<std::string, std::string>> outputs;  // tensor of the head, role
};

class RecurrentNet {
 public:
  // input_size: values in x. graphs: prepared; they must outlive the net and stay where they are.
  Status Prepare(const NetSpec& spec, int input_size, std::vector<Graph>* graphs);
  void Reset() noexcept;

  // The values of an output role, or nullptr with the reason in `status` if it is absent or not of `size`
  // values.
  const float* Output(const std::string& role, int size, Status* status) const;

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
    TensorPort* first = nullptr;   // gx, or g of an LSTM
    TensorPort* second = nullptr;  // gh; nullptr for an LSTM
  };
  struct HeadOutput {
    std::string role;
    TensorPort* port = nullptr;
    std::vector<float> values;
    std::vector<float> fresh;
  };

  Status Find(const std::string& graph, std::vector<Graph>* graphs, int* index) const;
  Status PrepareLayer(const LayerSpec& spec, CellKind cell, int input_size, std::vector<Graph>* graphs,
                      Layer* layer);

  std::string name_;
  std::vector<Layer> layers_;
  int head_ = 0;
  TensorPort* x_ = nullptr;
  TensorPort* head_h_ = nullptr;
  std::vector<HeadOutput> outputs_;
  std::vector<float> first_, second_;  // pre-activations of the layer at work
};

}  // namespace seehear
