using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing.Patterns;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>A method found on a service, ready to be mapped.</summary>
internal sealed record MethodEndpoint(IMethod Method, RoutePattern Pattern, IList<object> Metadata, RequestDelegate Handler);
