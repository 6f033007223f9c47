// Convolutions and products with weights that never change, straight through oneDNN: weights are packed once into the layout that the
// library likes best for a shape, images stay channels-last from layer to layer, and bias and activation are fused.
// Needs oneDNN's headers (libdnnl-dev) and the library that libtorch itself runs on; without them every call declines.
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#define MESH extern "C" __attribute__((visibility("default")))

#ifdef MESH_ONEDNN
#include <dnnl.hpp>

namespace {

using Impl = c10::TensorImpl;
using ImplPtr = c10::intrusive_ptr<Impl, c10::UndefinedTensorImpl>;
using Dims = dnnl::memory::dims;
using Desc = dnnl::memory::desc;
using Format = dnnl::memory::format_tag;
using Type = dnnl::memory::data_type;

at::Tensor borrow(void* impl) { return impl ? at::Tensor(ImplPtr::reclaim_copy(static_cast<Impl*>(impl))) : at::Tensor(); }

const dnnl::engine& engine() {
  static auto* one = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *one;
}

dnnl::stream& stream() {
  thread_local dnnl::stream one(engine());
  return one;
}

Type type_of(const at::Tensor& t) { return t.scalar_type() == at::kFloat ? Type::f32 : t.scalar_type() == at::kBFloat16 ? Type::bf16 : Type::undef; }

dnnl::memory bound(const Desc& desc, const at::Tensor& t) { return {desc, engine(), t.data_ptr()}; }

// What a layer runs for one shape of its input.
struct Plan {
  dnnl::primitive primitive;
  Desc source, target;
  std::shared_ptr<dnnl::memory> weight;
};

class Layer {
 public:
  Layer(at::Tensor weight, at::Tensor bias) : weight_(std::move(weight)), bias_(std::move(bias)) {}
  virtual ~Layer() = default;

 protected:
  static constexpr size_t MostPlans = 16;

  // A plan is made once a shape, number of threads and activation; the packed weights are shared between those that agree on the layout.
  template <class Make>
  std::shared_ptr<Plan> plan(std::vector<int64_t> key, Make&& make) {
    key.push_back(at::get_num_threads());
    std::lock_guard<std::mutex> lock(mutex_);
    auto& found = plans_[key];
    if (!found) {
      if (plans_.size() > MostPlans) {
        plans_.clear();
        return plans_[key] = make();
      }
      found = make();
    }
    return found;
  }

  std::shared_ptr<dnnl::memory> packed(const Desc& plain, const Desc& wanted) {
    for (const auto& known : packed_)
      if (auto same = known.lock(); same && same->get_desc() == wanted) return same;
    auto result = std::make_shared<dnnl::memory>(wanted == plain ? bound(plain, weight_) : dnnl::memory(wanted, engine()));
    if (wanted != plain) {
      auto from = bound(plain, weight_);
      dnnl::reorder(from, *result).execute(stream(), from, *result);
      stream().wait();
    }
    packed_.push_back(result);
    return result;
  }

  void execute(const Plan& plan, const at::Tensor& x, const at::Tensor& y) const {
    std::unordered_map<int, dnnl::memory> arguments{
        {DNNL_ARG_SRC, bound(plan.source, x)}, {DNNL_ARG_WEIGHTS, *plan.weight}, {DNNL_ARG_DST, bound(plan.target, y)}};
    if (bias_.defined()) arguments.emplace(DNNL_ARG_BIAS, bound(bias_desc(), bias_));
    plan.primitive.execute(stream(), arguments);
    stream().wait();
  }

  Desc bias_desc() const { return bias_.defined() ? Desc({bias_.size(0)}, type_of(bias_), Format::a) : Desc(); }

  static dnnl::primitive_attr attributes(int activation) {
    dnnl::primitive_attr attributes;
    dnnl::post_ops post;
    if (activation == 1) post.append_eltwise(1.0f, dnnl::algorithm::eltwise_swish, 1.0f, 0.0f);
    if (activation == 2) post.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
    attributes.set_post_ops(post);
    return attributes;
  }

  // What the library has no fast code for it computes by plain loops, a hundred times slower.
  template <class How>
  static bool slow(const How& how) { return std::string(how.impl_info_str()).compare(0, 3, "ref") == 0; }

  const at::Tensor weight_, bias_;

 private:
  std::mutex mutex_;
  std::map<std::vector<int64_t>, std::shared_ptr<Plan>> plans_;
  std::vector<std::weak_ptr<dnnl::memory>> packed_;
};

class Convolution final : public Layer {
 public:
  Convolution(at::Tensor weight, at::Tensor bias, const int64_t* geometry, int64_t groups)
      : Layer(std::move(weight), std::move(bias)), strides_{geometry[0], geometry[1]}, padding_{geometry[2], geometry[3]}, gaps_{geometry[4] - 1, geometry[5] - 1}, groups_(groups) {}

  at::Tensor run(at::Tensor x, bool last, int activation) {
    if (x.dim() != 4 || x.scalar_type() != weight_.scalar_type() || x.size(1) != weight_.size(1) * groups_ || x.numel() == 0) return {};
    x = x.contiguous(at::MemoryFormat::ChannelsLast);
    const int64_t high = reach(x.size(2), 0), wide = reach(x.size(3), 1);
    if (high <= 0 || wide <= 0) return {};
    auto current = plan({x.size(0), x.size(2), x.size(3), activation}, [&] { return make(x, high, wide, activation); });
    if (!current->primitive) return {};
    auto y = at::empty({x.size(0), weight_.size(0), high, wide}, x.options(), at::MemoryFormat::ChannelsLast);
    execute(*current, x, y);
    // The library has only a slow loop from channels last to planes.
    return last ? y : y.contiguous();
  }

 private:
  int64_t reach(int64_t size, int d) const { return (size + 2 * padding_[d] - (gaps_[d] + 1) * (weight_.size(d + 2) - 1) - 1) / strides_[d] + 1; }

  std::shared_ptr<Plan> make(const at::Tensor& x, int64_t high, int64_t wide, int activation) {
    const auto type = type_of(x);
    const Dims shape = groups_ > 1 ? Dims{groups_, weight_.size(0) / groups_, weight_.size(1), weight_.size(2), weight_.size(3)}
                                   : Dims{weight_.size(0), weight_.size(1), weight_.size(2), weight_.size(3)};
    const Desc plain(shape, type, groups_ > 1 ? Format::goihw : Format::oihw), source({x.size(0), x.size(1), x.size(2), x.size(3)}, type, Format::nhwc),
        target({x.size(0), weight_.size(0), high, wide}, type, Format::nhwc);
    dnnl::convolution_forward::desc what(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, source, Desc(shape, type, Format::any), bias_desc(), target,
                                         strides_, gaps_, padding_, padding_);
    dnnl::convolution_forward::primitive_desc how(what, attributes(activation), engine());
    if (slow(how)) return std::make_shared<Plan>();
    return std::make_shared<Plan>(Plan{dnnl::convolution_forward(how), source, target, packed(plain, how.weights_desc())});
  }

  const Dims strides_, padding_, gaps_;
  const int64_t groups_;
};

class Product final : public Layer {
 public:
  using Layer::Layer;

  at::Tensor run(at::Tensor x, int activation) {
    if (x.dim() < 1 || x.scalar_type() != weight_.scalar_type() || x.size(-1) != weight_.size(1) || x.numel() == 0) return {};
    x = x.contiguous();
    const int64_t rows = x.numel() / x.size(-1);
    auto sizes = x.sizes().vec();
    sizes.back() = weight_.size(0);
    auto current = plan({rows, activation}, [&] { return make(rows, type_of(x), activation); });
    if (!current->primitive) return {};
    auto y = at::empty(sizes, x.options());
    execute(*current, x, y);
    return y;
  }

 private:
  std::shared_ptr<Plan> make(int64_t rows, Type type, int activation) {
    const Dims shape{weight_.size(0), weight_.size(1)};
    const Desc source({rows, shape[1]}, type, Format::ab), target({rows, shape[0]}, type, Format::ab), plain(shape, type, Format::ab);
    dnnl::inner_product_forward::desc what(dnnl::prop_kind::forward_inference, source, Desc(shape, type, Format::any), bias_desc(), target);
    dnnl::inner_product_forward::primitive_desc how(what, attributes(activation), engine());
    if (slow(how)) return std::make_shared<Plan>();
    return std::make_shared<Plan>(Plan{dnnl::inner_product_forward(how), source, target, packed(plain, how.weights_desc())});
  }
};

bool serves(const at::Tensor& t) { return !t.defined() || (t.is_cpu() && t.layout() == at::kStrided && t.is_contiguous() && type_of(t) != Type::undef); }

// Whatever the library has no implementation for is left to libtorch.
template <class F>
void* declining(F&& f) {
  try {
    at::NoGradGuard none;
    return f();
  } catch (const dnnl::error&) {
    return nullptr;
  }
}

void* hand_over(at::Tensor&& t) { return t.defined() ? t.unsafeReleaseTensorImpl() : nullptr; }

}  // namespace

// A layer of these weights, which must not change while it lives. geometry: strides, padding and dilation, two each.
MESH void* mesh_convolution_new(void* weight, void* bias, const int64_t* geometry, int64_t groups) {
  auto w = borrow(weight).detach(), b = bias ? borrow(bias).detach() : at::Tensor();
  return serves(w) && serves(b) ? static_cast<Layer*>(new Convolution(w, b, geometry, groups)) : nullptr;
}

// Null where the layer cannot serve this input. activation: 0 none, 1 SiLU, 2 ReLU.
MESH void* mesh_convolution_run(void* layer, void* input, int last, int activation) {
  return declining([&] { return hand_over(static_cast<Convolution*>(static_cast<Layer*>(layer))->run(borrow(input), last != 0, activation)); });
}

MESH void* mesh_product_new(void* weight, void* bias) {
  auto w = borrow(weight).detach(), b = bias ? borrow(bias).detach() : at::Tensor();
  return serves(w) && serves(b) ? static_cast<Layer*>(new Product(w, b)) : nullptr;
}

MESH void* mesh_product_run(void* layer, void* input, int activation) {
  return declining([&] { return hand_over(static_cast<Product*>(static_cast<Layer*>(layer))->run(borrow(input), activation)); });
}

MESH void mesh_layer_free(void* layer) { delete static_cast<Layer*>(layer); }

#else

MESH void* mesh_convolution_new(void*, void*, const int64_t*, int64_t) { return nullptr; }
MESH void* mesh_convolution_run(void*, void*, int, int) { return nullptr; }
MESH void* mesh_product_new(void*, void*) { return nullptr; }
MESH void* mesh_product_run(void*, void*, int) { return nullptr; }
MESH void mesh_layer_free(void*) {}

#endif
