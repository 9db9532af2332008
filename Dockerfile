# A small image of recall: one static program, no shell, not as root. It needs RECALL_DATABASE_URL, RECALL_KEY_FILE and a
# volume at /data for its spool (see deploy/compose.yml and deploy/kubernetes). Built with
#
#   docker build --build-arg VERSION=v1.2.3 -t recall .
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.releaseName=$VERSION" -o /out/recall ./cmd/recall \
	&& mkdir -p /out/data

FROM gcr.io/distroless/static-debian13:nonroot
COPY --from=build /out/recall /usr/local/bin/recall
COPY --from=build --chown=65532:65532 --chmod=0700 /out/data /data
ENV RECALL_DATA_DIR=/data \
	RECALL_RECEIVER_ADDR=0.0.0.0:8080 \
	RECALL_ADMIN_ADDR=0.0.0.0:8081 \
	RECALL_LOG_FORMAT=json
USER 65532:65532
VOLUME /data
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["/usr/local/bin/recall", "health"]
ENTRYPOINT ["/usr/local/bin/recall"]
CMD ["serve"]
