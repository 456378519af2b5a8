# Two images from one build: `docker build --target api .` and `docker build --target worker .`
# Both speak to servers named by TIERLINE_EVENTSTORE_URL and TIERLINE_MONGODB_URL; the embedded stores are for one machine, see `npm start`.

FROM node:22.22.2-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY bin ./bin
COPY libs/embedded-host/package.json ./libs/embedded-host/
COPY libs/embedded-eventstoredb/package.json ./libs/embedded-eventstoredb/
COPY libs/embedded-mongodb/package.json ./libs/embedded-mongodb/
# `prepare` builds, and needs sources that are copied only after the packages: a change to the code keeps this layer.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json nest-cli.json ./
COPY apps ./apps
COPY libs ./libs
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22.22.2-bookworm-slim AS program
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/bin ./bin
COPY --from=build /app/node_modules ./node_modules
# The packages that node_modules links to; the command line can run either node.
COPY --from=build /app/libs/embedded-host ./libs/embedded-host
COPY --from=build /app/libs/embedded-eventstoredb ./libs/embedded-eventstoredb
COPY --from=build /app/libs/embedded-mongodb ./libs/embedded-mongodb
COPY --from=build /app/dist ./dist
# A volume that is mounted here belongs to the program.
RUN mkdir -p /var/lib/tierline/attachments && chown -R node:node /var/lib/tierline
# Keys and attachments, which API and worker share.
ENV DATA_DIR=/var/lib/tierline
USER node

FROM program AS api
# Without TLS the API answers on loopback only, so nothing is exposed; see docker-compose.yml for how to reach it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'; fetch(`${process.env.TLS_CERT_FILE ? 'https' : 'http'}://127.0.0.1:${process.env.PORT ?? 3000}/health/live`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/bundled/apps/api/src/main.js"]

FROM program AS worker
CMD ["node", "dist/bundled/apps/worker/src/main.js"]
