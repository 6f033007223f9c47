// The native half of the tensor layer: a flat C interface over libtorch's dispatcher.
// Any operator is found by its schema name and called with a boxed stack, so that one small file serves all of them, on every libtorch.
// A tensor crosses the border as the bare TensorImpl pointer, which owns one reference.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <c10/util/Logging.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <dlfcn.h>

#include <cstdlib>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#define MESH extern "C" __attribute__((visibility("default")))

namespace {

using Impl = c10::TensorImpl;
using ImplPtr = c10::intrusive_ptr<Impl, c10::UndefinedTensorImpl>;

// The optional is libtorch's own before 2.2 and the standard library's since.
using OptionalTensors = decltype(std::declval<const c10::IValue&>().toOptionalTensorList());

enum Tag : int32_t { Omitted, None, OneTensor, Int, Double, Bool, String, Ints, Doubles, Tensors, DeviceTag, GeneratorTag, Complex };

struct Value {
  int32_t tag;
  int32_t length;
  union {
    int64_t i;
    double d;
    void* p;
  };
};
static_assert(sizeof(Value) == 16, "the managed side mirrors this layout");

// What the schema wants of an argument, worked out once an operator.
enum class Want : uint8_t { Any, Float, Ints, Doubles, OptionalTensors, Tensor };

struct Operator {
  c10::OperatorHandle handle;
  std::vector<Want> wants;
  std::vector<c10::IValue> defaults;
};

thread_local std::string last_error;

// Without this, libtorch walks and names the stack for every error, which takes milliseconds and which nobody reads.
[[maybe_unused]] const bool no_backtraces = (c10::SetStackTraceFetcher([]() -> std::string { return ""; }), true);

at::Tensor borrow(void* impl) {
  return impl ? at::Tensor(ImplPtr::reclaim_copy(static_cast<Impl*>(impl))) : at::Tensor();
}

void* hand_over(at::Tensor&& tensor) {
  return tensor.defined() ? tensor.unsafeReleaseTensorImpl() : nullptr;
}

// For calls that only look at a tensor: no reference is taken.
Impl& peek(void* impl) { return *static_cast<Impl*>(impl); }

template <class F, class R>
R guarded(F&& f, R failed) {
  try {
    return f();
  } catch (const c10::Error& e) {
    last_error = e.what_without_backtrace();
  } catch (const std::exception& e) {
    last_error = e.what();
  } catch (...) {
    last_error = "an exception of unknown type";
  }
  return failed;
}

Want want_of(const c10::TypePtr& declared) {
  auto type = declared;
  if (auto optional = type->cast<c10::OptionalType>()) type = optional->getElementType();
  switch (type->kind()) {
    case c10::TypeKind::FloatType: return Want::Float;
    case c10::TypeKind::TensorType: return declared->kind() == c10::TypeKind::TensorType ? Want::Tensor : Want::Any;
    case c10::TypeKind::ListType: {
      auto element = type->castRaw<c10::ListType>()->getElementType()->kind();
      if (element == c10::TypeKind::OptionalType) return Want::OptionalTensors;
      if (element == c10::TypeKind::FloatType) return Want::Doubles;
      return element == c10::TypeKind::TensorType ? Want::Any : Want::Ints;
    }
    default: return Want::Any;
  }
}

c10::IValue int_list(const Value& v) {
  auto data = static_cast<const int64_t*>(v.p);
  return c10::IValue(std::vector<int64_t>(data, data + v.length));
}

c10::IValue tensor_list(const Value& v, Want want) {
  auto data = static_cast<void**>(v.p);
  if (want == Want::OptionalTensors) {
    OptionalTensors list;
    list.reserve(v.length);
    for (int32_t i = 0; i < v.length; i++) list.push_back(data[i] ? OptionalTensors::value_type(borrow(data[i])) : OptionalTensors::value_type());
    return c10::IValue(std::move(list));
  }
  c10::List<at::Tensor> list;
  list.reserve(v.length);
  for (int32_t i = 0; i < v.length; i++) list.push_back(borrow(data[i]));
  return c10::IValue(std::move(list));
}

c10::IValue boxed(const Value& v, Want want, const c10::IValue& fallback) {
  switch (v.tag) {
    case Omitted: return fallback;
    case None: return want == Want::Tensor ? c10::IValue(at::Tensor()) : c10::IValue();
    case OneTensor: return c10::IValue(borrow(v.p));
    case Int:
      if (want == Want::Float) return c10::IValue(static_cast<double>(v.i));
      if (want == Want::Ints) return c10::IValue(std::vector<int64_t>{v.i});
      return c10::IValue(v.i);
    case Double: return want == Want::Doubles ? c10::IValue(std::vector<double>{v.d}) : c10::IValue(v.d);
    case Bool: return c10::IValue(v.i != 0);
    case String: return c10::IValue(std::string(static_cast<const char*>(v.p), v.length));
    case Ints: return int_list(v);
    case Doubles: return c10::IValue(std::vector<double>(static_cast<double*>(v.p), static_cast<double*>(v.p) + v.length));
    case Tensors: return tensor_list(v, want);
    case DeviceTag: return c10::IValue(c10::Device(static_cast<c10::DeviceType>(v.i & 0xff), static_cast<c10::DeviceIndex>(v.i >> 32)));
    case GeneratorTag: return c10::IValue(*static_cast<at::Generator*>(v.p));
    case Complex: return c10::IValue(c10::complex<double>(static_cast<double*>(v.p)[0], static_cast<double*>(v.p)[1]));
    default: TORCH_CHECK(false, "unknown argument tag ", v.tag);
  }
}

Value tensors_out(std::vector<at::Tensor>&& tensors) {
  Value v{Tensors, static_cast<int32_t>(tensors.size()), {}};
  auto data = static_cast<void**>(std::malloc(sizeof(void*) * (tensors.size() + 1)));
  for (size_t i = 0; i < tensors.size(); i++) data[i] = hand_over(std::move(tensors[i]));
  v.p = data;
  return v;
}

Value unboxed(c10::IValue&& value) {
  Value v{None, 0, {}};
  v.i = 0;
  if (value.isTensor()) {
    v.tag = OneTensor;
    v.p = hand_over(std::move(value).toTensor());
  } else if (value.isInt()) {
    v.tag = Int;
    v.i = value.toInt();
  } else if (value.isDouble()) {
    v.tag = Double;
    v.d = value.toDouble();
  } else if (value.isBool()) {
    v.tag = Bool;
    v.i = value.toBool();
  } else if (value.isTensorList()) {
    v = tensors_out(std::move(value).toTensorVector());
  } else if (value.isComplexDouble()) {
    auto number = value.toComplexDouble();
    auto data = static_cast<double*>(std::malloc(2 * sizeof(double)));
    data[0] = number.real();
    data[1] = number.imag();
    v.tag = Complex;
    v.p = data;
  } else if (!value.isNone()) {
    TORCH_CHECK(false, "an operator's result of kind ", value.tagKind(), " cannot cross the border");
  }
  return v;
}

std::vector<at::Tensor> tensors_in(void** data, int32_t n) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(n);
  for (int32_t i = 0; i < n; i++) tensors.push_back(borrow(data[i]));
  return tensors;
}

}  // namespace

MESH const char* mesh_last_error() { return last_error.c_str(); }
MESH const char* mesh_version() { return TORCH_VERSION; }
MESH void mesh_free(void* memory) { std::free(memory); }

// Null where this libtorch has no such operator.
MESH Operator* mesh_find(const char* name, const char* overload) {
  return guarded([&]() -> Operator* {
    auto found = c10::Dispatcher::singleton().findSchema({name, overload});
    if (!found) return nullptr;
    auto op = new Operator{*found, {}, {}};
    for (const auto& argument : found->schema().arguments()) {
      op->wants.push_back(want_of(argument.type()));
      op->defaults.push_back(argument.default_value().value_or(c10::IValue()));
    }
    return op;
  }, static_cast<Operator*>(nullptr));
}

// Calls an operator; arguments left out at the end take the schema's defaults. Returns the number of results, or -1 and an error.
MESH int32_t mesh_call(Operator* op, const Value* arguments, int32_t count, Value* results, int32_t capacity) {
  return guarded([&]() -> int32_t {
    auto total = op->wants.size();
    TORCH_CHECK(static_cast<size_t>(count) <= total, op->handle.operator_name(), " takes ", total, " arguments, given ", count);
    torch::jit::Stack stack;
    stack.reserve(total + 2);
    for (size_t i = 0; i < total; i++)
      stack.emplace_back(i < static_cast<size_t>(count) ? boxed(arguments[i], op->wants[i], op->defaults[i]) : op->defaults[i]);
    op->handle.callBoxed(&stack);
    TORCH_CHECK(stack.size() <= static_cast<size_t>(capacity), op->handle.operator_name(), " gives ", stack.size(), " results");
    for (size_t i = 0; i < stack.size(); i++) results[i] = unboxed(std::move(stack[i]));
    return static_cast<int32_t>(stack.size());
  }, -1);
}

MESH void mesh_release(void* impl) { at::Tensor(ImplPtr::reclaim(static_cast<Impl*>(impl))); }
MESH void* mesh_retain(void* impl) { return hand_over(borrow(impl)); }

struct Info {
  int64_t elements;
  int64_t dimensions;
  int64_t element_size;
  int32_t dtype;
  int32_t device_type;
  int32_t device_index;
  int32_t layout;
};

MESH int32_t mesh_info(void* impl, Info* info) {
  return guarded([&] {
    auto& t = peek(impl);
    *info = {t.numel(), t.dim(), static_cast<int64_t>(t.itemsize()), static_cast<int32_t>(c10::typeMetaToScalarType(t.dtype())),
             static_cast<int32_t>(t.device().type()), t.device().index(), static_cast<int32_t>(t.layout())};
    return 0;
  }, -1);
}

MESH int64_t mesh_dimensions(void* impl) { return peek(impl).dim(); }

MESH int32_t mesh_sizes(void* impl, int64_t* sizes) {
  return guarded([&] { auto s = peek(impl).sizes(); std::copy(s.begin(), s.end(), sizes); return 0; }, -1);
}

MESH int32_t mesh_strides(void* impl, int64_t* strides) {
  return guarded([&] { auto s = peek(impl).strides(); std::copy(s.begin(), s.end(), strides); return 0; }, -1);
}

MESH void* mesh_data(void* impl) { return guarded([&] { return borrow(impl).data_ptr(); }, static_cast<void*>(nullptr)); }

// Yes/no questions about a tensor, one number each; -1 is an error.
MESH int64_t mesh_ask(void* impl, int32_t question) {
  return guarded([&]() -> int64_t {
    auto t = borrow(impl);
    switch (question) {
      case 0: return t.requires_grad();
      case 1: return t.is_leaf();
      case 2: return t.is_contiguous();
      case 3: return t.is_contiguous(at::MemoryFormat::ChannelsLast);
      case 4: return t.storage_offset();
      case 5: return t.is_conj();
      case 6: return t.is_neg();
      case 7: return t.is_inference();
      case 8: return static_cast<int64_t>(t._version());
      case 9: return static_cast<int64_t>(t.storage().nbytes());
      case 10: return t.is_alias_of(t) && t.is_pinned();
      case 11: return t.is_contiguous(at::MemoryFormat::ChannelsLast3d);
      default: TORCH_CHECK(false, "unknown question ", question);
    }
  }, int64_t{-1});
}

// A tensor over foreign memory; the deleter runs when nothing uses that memory any more.
MESH void* mesh_from_memory(void* data, const int64_t* sizes, int32_t dimensions, int32_t dtype, void (*deleter)(void*), void* context) {
  return guarded([&] {
    return hand_over(at::for_blob(data, {sizes, static_cast<size_t>(dimensions)})
                         .deleter([=](void*) { if (deleter) deleter(context); })
                         .options(at::TensorOptions().dtype(static_cast<at::ScalarType>(dtype)))
                         .make_tensor());
  }, static_cast<void*>(nullptr));
}

MESH int32_t mesh_set_requires_grad(void* impl, int32_t on) {
  return guarded([&] { borrow(impl).requires_grad_(on != 0); return 0; }, -1);
}

MESH void* mesh_grad(void* impl) { return guarded([&] { return hand_over(at::Tensor(borrow(impl).grad())); }, static_cast<void*>(nullptr)); }

MESH int32_t mesh_set_grad(void* impl, void* grad) {
  return guarded([&] { borrow(impl).mutable_grad() = borrow(grad); return 0; }, -1);
}

MESH int32_t mesh_retain_grad(void* impl) { return guarded([&] { borrow(impl).retain_grad(); return 0; }, -1); }

MESH int32_t mesh_backward(void** tensors, int32_t n, void** grads, int32_t grad_count, int32_t retain, int32_t create, void** inputs, int32_t input_count) {
  return guarded([&] {
    torch::autograd::backward(tensors_in(tensors, n), tensors_in(grads, grad_count), retain != 0, create != 0, tensors_in(inputs, input_count));
    return 0;
  }, -1);
}

MESH int32_t mesh_autograd(void** outputs, int32_t n, void** inputs, int32_t input_count, void** grads, int32_t grad_count, int32_t retain, int32_t create,
                           int32_t allow_unused, Value* result) {
  return guarded([&] {
    *result = tensors_out(torch::autograd::grad(tensors_in(outputs, n), tensors_in(inputs, input_count), tensors_in(grads, grad_count), retain != 0,
                                                create != 0, allow_unused != 0));
    return 0;
  }, -1);
}

MESH int32_t mesh_grad_enabled() { return c10::GradMode::is_enabled(); }
MESH void mesh_set_grad_enabled(int32_t on) { c10::GradMode::set_enabled(on != 0); }
MESH int32_t mesh_inference_enabled() { return c10::InferenceMode::is_enabled(); }
MESH void* mesh_inference_enter(int32_t on) { return new c10::InferenceMode(on != 0); }
MESH void mesh_inference_leave(void* guard) { delete static_cast<c10::InferenceMode*>(guard); }

MESH at::Generator* mesh_generator_default(int32_t type, int32_t index) {
  return guarded([&] {
    return new at::Generator(at::globalContext().defaultGenerator({static_cast<c10::DeviceType>(type), static_cast<c10::DeviceIndex>(index)}));
  }, static_cast<at::Generator*>(nullptr));
}

// A generator of its own: a clone of the device's default one, so that no header of that device is needed.
MESH at::Generator* mesh_generator_new(uint64_t seed, int32_t type, int32_t index) {
  return guarded([&] {
    at::Generator clone;
    {
      auto shared = at::globalContext().defaultGenerator({static_cast<c10::DeviceType>(type), static_cast<c10::DeviceIndex>(index)});
      std::lock_guard<std::mutex> lock(shared.mutex());
      clone = shared.clone();
    }
    clone.set_current_seed(seed);
    return new at::Generator(std::move(clone));
  }, static_cast<at::Generator*>(nullptr));
}

MESH void mesh_generator_release(at::Generator* generator) { delete generator; }

MESH int32_t mesh_generator_seed(at::Generator* generator, uint64_t seed) {
  return guarded([&] { std::lock_guard<std::mutex> lock(generator->mutex()); generator->set_current_seed(seed); return 0; }, -1);
}

MESH uint64_t mesh_generator_initial_seed(at::Generator* generator) { return generator->current_seed(); }

MESH void* mesh_generator_state(at::Generator* generator) {
  return guarded([&] { std::lock_guard<std::mutex> lock(generator->mutex()); return hand_over(generator->get_state()); }, static_cast<void*>(nullptr));
}

MESH int32_t mesh_generator_set_state(at::Generator* generator, void* state) {
  return guarded([&] { std::lock_guard<std::mutex> lock(generator->mutex()); generator->set_state(borrow(state)); return 0; }, -1);
}

MESH int32_t mesh_manual_seed(uint64_t seed) { return guarded([&] { at::manual_seed(seed); return 0; }, -1); }
MESH int32_t mesh_cuda_manual_seed(uint64_t seed, int32_t all) {
  return guarded([&] { all ? torch::cuda::manual_seed_all(seed) : torch::cuda::manual_seed(seed); return 0; }, -1);
}

MESH int32_t mesh_threads() { return at::get_num_threads(); }
MESH int32_t mesh_set_threads(int32_t n) {
  return guarded([&] {
    at::set_num_threads(n);
    // OpenBLAS with threads of its own does not hear of it from libtorch.
    if (auto blas = dlopen("libopenblas.so.0", RTLD_NOLOAD | RTLD_LAZY)) {
      if (auto set = reinterpret_cast<void (*)(int)>(dlsym(blas, "openblas_set_num_threads"))) set(n);
      dlclose(blas);
    }
    return 0;
  }, -1);
}
MESH int32_t mesh_interop_threads() { return at::get_num_interop_threads(); }
MESH int32_t mesh_set_interop_threads(int32_t n) { return guarded([&] { at::set_num_interop_threads(n); return 0; }, -1); }

MESH int32_t mesh_cuda_available() { return guarded([] { return torch::cuda::is_available() ? 1 : 0; }, 0); }
MESH int32_t mesh_cudnn_available() { return guarded([] { return torch::cuda::cudnn_is_available() ? 1 : 0; }, 0); }
MESH int32_t mesh_cuda_count() { return guarded([] { return static_cast<int32_t>(torch::cuda::device_count()); }, 0); }
MESH int32_t mesh_cuda_synchronize(int32_t index) { return guarded([&] { torch::cuda::synchronize(index); return 0; }, -1); }

// Whether CUDA may round products to TF32, in cuBLAS (0) and cuDNN (1): asked with -1, set with 0 or 1.
MESH int32_t mesh_switch(int32_t which, int32_t value) {
  return guarded([&]() -> int32_t {
    auto& context = at::globalContext();
    switch (which) {
      case 0: if (value >= 0) context.setAllowTF32CuBLAS(value != 0); return context.allowTF32CuBLAS();
      case 1: if (value >= 0) context.setAllowTF32CuDNN(value != 0); return context.allowTF32CuDNN();
      default: TORCH_CHECK(false, "unknown switch ", which);
    }
  }, -1);
}
