# syntax=docker/dockerfile:1
# One service of the mesh, with the public packages. Build from the root of the repository:
#   docker build -f deploy/docker/Service.Dockerfile --build-arg SERVICE=Mesh.Gateway -t mesh-gateway .

FROM mcr.microsoft.com/dotnet/sdk:10.0-noble AS build
# A project of services/, such as Mesh.Gateway.
ARG SERVICE
# What libtorch is for: cpu, or cuda (which brings CUDA's libraries along).
ARG MESH_DEVICE=cpu
# The source's revision, which images name as part of what their bytes depend on.
ARG REVISION=
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/root/.nuget/packages \
    dotnet publish "services/$SERVICE" -c Release -r linux-x64 --self-contained false -o /app \
        -p:MeshFeed=nuget -p:MeshDevice="$MESH_DEVICE" -p:SourceRevisionId="$REVISION" \
    && ln -s "$SERVICE" /app/service

FROM mcr.microsoft.com/dotnet/aspnet:10.0-noble
# Image codecs, OpenMP for libtorch, and what the health check asks with.
RUN apt-get update \
    && apt-get install -y --no-install-recommends curl libgomp1 libpng16-16t64 libturbojpeg libwebp7 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /app /app
# Where a service listens is its own configuration's matter.
ENV ASPNETCORE_HTTP_PORTS= \
    DOTNET_EnableDiagnostics=0 \
    DOTNET_gcServer=0
WORKDIR /app
USER $APP_UID
STOPSIGNAL SIGTERM
ENTRYPOINT ["/app/service"]
