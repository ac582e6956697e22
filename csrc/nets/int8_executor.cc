#include "nets/int8_executor.h"

namespace seehear {
namespace {

Status CheckPort(const Graph& graph, const TensorPort& port, int size) {
  if (port.spec().dtype == DType::kInt8 && port.size() == size) return Status::Ok();
  return Status::Error("graph %s: tensor %s must be %d int8 values, got %d %s", graph.name().c_str(),
                       port.spec().name.c_str(), size, port.size(),
                       port.spec().dtype == DType::kInt8 ? "int8" : "float32");
}

const Int8Graph* Find(const Vector<Int8Graph>& layers, const Text& name) {
  for (const Int8Graph& graph : layers) {
    if (graph.name == name) return &graph;
  }
  return nullptr;
}

}  // namespace

Status Int8Executor::Prepare(Vector<Graph>* graphs, const Vector<Int8Graph>& layers) {
  SEEHEAR_RETURN_IF_ERROR(graphs_.Allocate(graphs->size()));
  for (int g = 0; g < graphs->size(); ++g) {
    Graph& graph = (*graphs)[g];
    const Int8Graph* source = Find(layers, graph.name());
    if (source == nullptr) return Status::Error("the flat model has no graph %s", graph.name().c_str());
    SEEHEAR_RETURN_IF_ERROR(graphs_[g].Allocate(source->steps.size()));
    for (int i = 0; i < source->steps.size(); ++i) {
      const Int8Graph::Step& from = source->steps[i];
      TensorPort* input = graph.Input(from.input.c_str());
      TensorPort* output = graph.Output(from.output.c_str());
      if (input == nullptr || output == nullptr) {
        return Status::Error("graph %s: the flat model has a layer from %s to %s, the graph has %s",
                             graph.name().c_str(), from.input.c_str(), from.output.c_str(),
                             graph.TensorNames().c_str());
      }
      SEEHEAR_RETURN_IF_ERROR(CheckPort(graph, *input, from.layer.inputs));
      SEEHEAR_RETURN_IF_ERROR(CheckPort(graph, *output, from.layer.outputs));
      graphs_[g][i] = {from.layer, static_cast<const int8_t*>(input->data()),
                       static_cast<int8_t*>(output->data())};
    }
  }
  return Status::Ok();
}

int Int8Executor::Run(int graph) const noexcept {
  if (graph < 0 || graph >= graphs_.size()) return 1;
  for (const Step& step : graphs_[graph]) step.layer.Run(step.input, step.output);
  return 0;
}

}  // namespace seehear
