# Two stages: the first compiles, the second holds only what runs. The daemon runs as an ordinary user.
FROM node:24-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY providers providers
RUN node node_modules/typescript/bin/tsc -p tsconfig.build.json \
 && npm prune --omit=dev --ignore-scripts

FROM node:24-slim
RUN useradd --create-home --uid 10001 jit && install -d -o jit -g jit -m 0700 /home/jit/state
WORKDIR /opt/jit
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules node_modules
COPY --from=build /src/dist dist
COPY src/shim src/shim
COPY src/api/frames.js src/api/outlet.js src/api/
COPY config config
RUN ln -s /opt/jit/src/shim/jit.js /usr/local/bin/jit
USER jit
ENV JIT_HOME=/home/jit/state
VOLUME /home/jit/state
ENTRYPOINT ["jit"]
CMD ["daemon"]
