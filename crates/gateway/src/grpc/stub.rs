//! The service of RocketMQ's gRPC protocol: made by `cargo xtask proto`, not to be edited.

/// Generated server implementations.
pub mod messaging_service_server {
    #![allow(
        unused_variables,
        dead_code,
        missing_docs,
        clippy::wildcard_imports,
        clippy::let_unit_value,
    )]
    use tonic::codegen::*;
    /// Generated trait containing gRPC methods that should be implemented for use with MessagingServiceServer.
    #[async_trait]
    pub trait MessagingService: std::marker::Send + std::marker::Sync + 'static {
        async fn query_route(
            &self,
            request: tonic::Request<::wire::grpc::v2::QueryRouteRequest>,
        ) -> std::result::Result<
            tonic::Response<::wire::grpc::v2::QueryRouteResponse>,
            tonic::Status,
        >;
        async fn heartbeat(
            &self,
            request: tonic::Request<::wire::grpc::v2::HeartbeatRequest>,
        ) -> std::result::Result<
            tonic::Response<::wire::grpc::v2::HeartbeatResponse>,
            tonic::Status,
        >;
        async fn send_message(
            &self,
            request: tonic::Request<::wire::grpc::v2::SendMessageRequest>,
        ) -> std::result::Result<
            tonic::Response<::wire::grpc::v2::SendMessageResponse>,
            tonic::Status,
        >;
        async fn query_assignment(
            &self,
            request: tonic::Request<::wire::grpc::v2::QueryAssignmentRequest>,
        ) -> std::result::Result<
            tonic::Response<::wire::grpc::v2::QueryAssignmentResponse>,
            tonic::Status,
        >;
        /// Server streaming response type for the ReceiveMessage method.
        type ReceiveMessageStream: tonic::codegen::tokio_stream::Stream<
                Item = std::result::Result<
                    ::wire::grpc::v2::ReceiveMessageResponse,
                    tonic::Status,
                >,
            >
            + std::marker::Send
            + 'static;
        async fn receive_message(
            &self,
            request: tonic::Request<::wire::grpc::v2::ReceiveMessageRequest>,
        ) -> std::result::Result<
            tonic::Response<Self::ReceiveMessageStream>,
            tonic::Status,
        >;
        async fn ack_message(
            &self,
            request: tonic::Request<::wire::grpc::v2::AckMessageRequest>,
        ) -> std::result::Result<
            tonic::Response<::wire::grpc::v2::AckMessageResponse>,
            tonic::Status,
        >;
        async fn forward_message_to_dead_letter_queue(
            &self,
            request: tonic::Request<
                ::wire::grpc::v2::ForwardMessageToDeadLetterQueueRequest,
            >,
        ) -> std::result::Result<
            tonic::Response<::wire::grpc::v2::ForwardMessageToDeadLetterQueueResponse>,
            tonic::Status,
        >;
        /// Server streaming response type for the PullMessage method.
        type PullMessageStream: tonic::codegen::tokio_stream::Stream<
                Item = std::result::Result<
                    ::wire::grpc::v2::PullMessageResponse,
                    tonic::Status,
                >,
            >
            + std::marker::Send
            + 'static;
        async fn pull_message(
            &self,
            request: tonic::Request<::wire::grpc::v2::PullMessageRequest>,
        ) -> std::result::Result<
            tonic::Response<Self::PullMessageStream>,
            tonic::Status,
        >;
        async fn update_offset(
            &self,
            request: tonic::Request<::wire::grpc::v2::UpdateOffsetRequest>,
        ) -> std::result::Result<
            tonic::Response<::wire::grpc::v2::UpdateOffsetResponse>,
            tonic::Status,
        >;
        async fn get_offset(
            &self,
            request: tonic::Request<::wire::grpc::v2::GetOffsetRequest>,
        ) -> std::result::Result<
            tonic::Response<::wire::grpc::v2::GetOffsetResponse>,
            tonic::Status,
        >;
        async fn query_offset(
            &self,
            request: tonic::Request<::wire::grpc::v2::QueryOffsetRequest>,
        ) -> std::result::Result<
            tonic::Response<::wire::grpc::v2::QueryOffsetResponse>,
            tonic::Status,
        >;
        async fn end_transaction(
            &self,
            request: tonic::Request<::wire::grpc::v2::EndTransactionRequest>,
        ) -> std::result::Result<
            tonic::Response<::wire::grpc::v2::EndTransactionResponse>,
            tonic::Status,
        >;
        /// Server streaming response type for the Telemetry method.
        type TelemetryStream: tonic::codegen::tokio_stream::Stream<
                Item = std::result::Result<
                    ::wire::grpc::v2::TelemetryCommand,
                    tonic::Status,
                >,
            >
            + std::marker::Send
            + 'static;
        async fn telemetry(
            &self,
            request: tonic::Request<tonic::Streaming<::wire::grpc::v2::TelemetryCommand>>,
        ) -> std::result::Result<tonic::Response<Self::TelemetryStream>, tonic::Status>;
        async fn notify_client_termination(
            &self,
            request: tonic::Request<::wire::grpc::v2::NotifyClientTerminationRequest>,
        ) -> std::result::Result<
            tonic::Response<::wire::grpc::v2::NotifyClientTerminationResponse>,
            tonic::Status,
        >;
        async fn change_invisible_duration(
            &self,
            request: tonic::Request<::wire::grpc::v2::ChangeInvisibleDurationRequest>,
        ) -> std::result::Result<
            tonic::Response<::wire::grpc::v2::ChangeInvisibleDurationResponse>,
            tonic::Status,
        >;
        async fn recall_message(
            &self,
            request: tonic::Request<::wire::grpc::v2::RecallMessageRequest>,
        ) -> std::result::Result<
            tonic::Response<::wire::grpc::v2::RecallMessageResponse>,
            tonic::Status,
        >;
        async fn sync_lite_subscription(
            &self,
            request: tonic::Request<::wire::grpc::v2::SyncLiteSubscriptionRequest>,
        ) -> std::result::Result<
            tonic::Response<::wire::grpc::v2::SyncLiteSubscriptionResponse>,
            tonic::Status,
        >;
    }
    #[derive(Debug)]
    pub struct MessagingServiceServer<T> {
        inner: Arc<T>,
        accept_compression_encodings: EnabledCompressionEncodings,
        send_compression_encodings: EnabledCompressionEncodings,
        max_decoding_message_size: Option<usize>,
        max_encoding_message_size: Option<usize>,
    }
    impl<T> MessagingServiceServer<T> {
        pub fn new(inner: T) -> Self {
            Self::from_arc(Arc::new(inner))
        }
        pub fn from_arc(inner: Arc<T>) -> Self {
            Self {
                inner,
                accept_compression_encodings: Default::default(),
                send_compression_encodings: Default::default(),
                max_decoding_message_size: None,
                max_encoding_message_size: None,
            }
        }
        pub fn with_interceptor<F>(
            inner: T,
            interceptor: F,
        ) -> InterceptedService<Self, F>
        where
            F: tonic::service::Interceptor,
        {
            InterceptedService::new(Self::new(inner), interceptor)
        }
        /// Enable decompressing requests with the given encoding.
        #[must_use]
        pub fn accept_compressed(mut self, encoding: CompressionEncoding) -> Self {
            self.accept_compression_encodings.enable(encoding);
            self
        }
        /// Compress responses with the given encoding, if the client supports it.
        #[must_use]
        pub fn send_compressed(mut self, encoding: CompressionEncoding) -> Self {
            self.send_compression_encodings.enable(encoding);
            self
        }
        /// Limits the maximum size of a decoded message.
        ///
        /// Default: `4MB`
        #[must_use]
        pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
            self.max_decoding_message_size = Some(limit);
            self
        }
        /// Limits the maximum size of an encoded message.
        ///
        /// Default: `usize::MAX`
        #[must_use]
        pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
            self.max_encoding_message_size = Some(limit);
            self
        }
    }
    impl<T, B> tonic::codegen::Service<http::Request<B>> for MessagingServiceServer<T>
    where
        T: MessagingService,
        B: Body + std::marker::Send + 'static,
        B::Error: Into<StdError> + std::marker::Send + 'static,
    {
        type Response = http::Response<tonic::body::Body>;
        type Error = std::convert::Infallible;
        type Future = BoxFuture<Self::Response, Self::Error>;
        fn poll_ready(
            &mut self,
            _cx: &mut Context<'_>,
        ) -> Poll<std::result::Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, req: http::Request<B>) -> Self::Future {
            match req.uri().path() {
                "/apache.rocketmq.v2.MessagingService/QueryRoute" => {
                    #[allow(non_camel_case_types)]
                    struct QueryRouteSvc<T: MessagingService>(pub Arc<T>);
                    impl<
                        T: MessagingService,
                    > tonic::server::UnaryService<::wire::grpc::v2::QueryRouteRequest>
                    for QueryRouteSvc<T> {
                        type Response = ::wire::grpc::v2::QueryRouteResponse;
                        type Future = BoxFuture<
                            tonic::Response<Self::Response>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<::wire::grpc::v2::QueryRouteRequest>,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::query_route(&inner, request).await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = QueryRouteSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.unary(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/apache.rocketmq.v2.MessagingService/Heartbeat" => {
                    #[allow(non_camel_case_types)]
                    struct HeartbeatSvc<T: MessagingService>(pub Arc<T>);
                    impl<
                        T: MessagingService,
                    > tonic::server::UnaryService<::wire::grpc::v2::HeartbeatRequest>
                    for HeartbeatSvc<T> {
                        type Response = ::wire::grpc::v2::HeartbeatResponse;
                        type Future = BoxFuture<
                            tonic::Response<Self::Response>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<::wire::grpc::v2::HeartbeatRequest>,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::heartbeat(&inner, request).await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = HeartbeatSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.unary(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/apache.rocketmq.v2.MessagingService/SendMessage" => {
                    #[allow(non_camel_case_types)]
                    struct SendMessageSvc<T: MessagingService>(pub Arc<T>);
                    impl<
                        T: MessagingService,
                    > tonic::server::UnaryService<::wire::grpc::v2::SendMessageRequest>
                    for SendMessageSvc<T> {
                        type Response = ::wire::grpc::v2::SendMessageResponse;
                        type Future = BoxFuture<
                            tonic::Response<Self::Response>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<::wire::grpc::v2::SendMessageRequest>,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::send_message(&inner, request).await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = SendMessageSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.unary(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/apache.rocketmq.v2.MessagingService/QueryAssignment" => {
                    #[allow(non_camel_case_types)]
                    struct QueryAssignmentSvc<T: MessagingService>(pub Arc<T>);
                    impl<
                        T: MessagingService,
                    > tonic::server::UnaryService<
                        ::wire::grpc::v2::QueryAssignmentRequest,
                    > for QueryAssignmentSvc<T> {
                        type Response = ::wire::grpc::v2::QueryAssignmentResponse;
                        type Future = BoxFuture<
                            tonic::Response<Self::Response>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<
                                ::wire::grpc::v2::QueryAssignmentRequest,
                            >,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::query_assignment(&inner, request)
                                    .await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = QueryAssignmentSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.unary(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/apache.rocketmq.v2.MessagingService/ReceiveMessage" => {
                    #[allow(non_camel_case_types)]
                    struct ReceiveMessageSvc<T: MessagingService>(pub Arc<T>);
                    impl<
                        T: MessagingService,
                    > tonic::server::ServerStreamingService<
                        ::wire::grpc::v2::ReceiveMessageRequest,
                    > for ReceiveMessageSvc<T> {
                        type Response = ::wire::grpc::v2::ReceiveMessageResponse;
                        type ResponseStream = T::ReceiveMessageStream;
                        type Future = BoxFuture<
                            tonic::Response<Self::ResponseStream>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<
                                ::wire::grpc::v2::ReceiveMessageRequest,
                            >,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::receive_message(&inner, request)
                                    .await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = ReceiveMessageSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.server_streaming(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/apache.rocketmq.v2.MessagingService/AckMessage" => {
                    #[allow(non_camel_case_types)]
                    struct AckMessageSvc<T: MessagingService>(pub Arc<T>);
                    impl<
                        T: MessagingService,
                    > tonic::server::UnaryService<::wire::grpc::v2::AckMessageRequest>
                    for AckMessageSvc<T> {
                        type Response = ::wire::grpc::v2::AckMessageResponse;
                        type Future = BoxFuture<
                            tonic::Response<Self::Response>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<::wire::grpc::v2::AckMessageRequest>,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::ack_message(&inner, request).await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = AckMessageSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.unary(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/apache.rocketmq.v2.MessagingService/ForwardMessageToDeadLetterQueue" => {
                    #[allow(non_camel_case_types)]
                    struct ForwardMessageToDeadLetterQueueSvc<T: MessagingService>(
                        pub Arc<T>,
                    );
                    impl<
                        T: MessagingService,
                    > tonic::server::UnaryService<
                        ::wire::grpc::v2::ForwardMessageToDeadLetterQueueRequest,
                    > for ForwardMessageToDeadLetterQueueSvc<T> {
                        type Response = ::wire::grpc::v2::ForwardMessageToDeadLetterQueueResponse;
                        type Future = BoxFuture<
                            tonic::Response<Self::Response>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<
                                ::wire::grpc::v2::ForwardMessageToDeadLetterQueueRequest,
                            >,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::forward_message_to_dead_letter_queue(
                                        &inner,
                                        request,
                                    )
                                    .await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = ForwardMessageToDeadLetterQueueSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.unary(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/apache.rocketmq.v2.MessagingService/PullMessage" => {
                    #[allow(non_camel_case_types)]
                    struct PullMessageSvc<T: MessagingService>(pub Arc<T>);
                    impl<
                        T: MessagingService,
                    > tonic::server::ServerStreamingService<
                        ::wire::grpc::v2::PullMessageRequest,
                    > for PullMessageSvc<T> {
                        type Response = ::wire::grpc::v2::PullMessageResponse;
                        type ResponseStream = T::PullMessageStream;
                        type Future = BoxFuture<
                            tonic::Response<Self::ResponseStream>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<::wire::grpc::v2::PullMessageRequest>,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::pull_message(&inner, request).await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = PullMessageSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.server_streaming(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/apache.rocketmq.v2.MessagingService/UpdateOffset" => {
                    #[allow(non_camel_case_types)]
                    struct UpdateOffsetSvc<T: MessagingService>(pub Arc<T>);
                    impl<
                        T: MessagingService,
                    > tonic::server::UnaryService<::wire::grpc::v2::UpdateOffsetRequest>
                    for UpdateOffsetSvc<T> {
                        type Response = ::wire::grpc::v2::UpdateOffsetResponse;
                        type Future = BoxFuture<
                            tonic::Response<Self::Response>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<
                                ::wire::grpc::v2::UpdateOffsetRequest,
                            >,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::update_offset(&inner, request)
                                    .await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = UpdateOffsetSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.unary(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/apache.rocketmq.v2.MessagingService/GetOffset" => {
                    #[allow(non_camel_case_types)]
                    struct GetOffsetSvc<T: MessagingService>(pub Arc<T>);
                    impl<
                        T: MessagingService,
                    > tonic::server::UnaryService<::wire::grpc::v2::GetOffsetRequest>
                    for GetOffsetSvc<T> {
                        type Response = ::wire::grpc::v2::GetOffsetResponse;
                        type Future = BoxFuture<
                            tonic::Response<Self::Response>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<::wire::grpc::v2::GetOffsetRequest>,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::get_offset(&inner, request).await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = GetOffsetSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.unary(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/apache.rocketmq.v2.MessagingService/QueryOffset" => {
                    #[allow(non_camel_case_types)]
                    struct QueryOffsetSvc<T: MessagingService>(pub Arc<T>);
                    impl<
                        T: MessagingService,
                    > tonic::server::UnaryService<::wire::grpc::v2::QueryOffsetRequest>
                    for QueryOffsetSvc<T> {
                        type Response = ::wire::grpc::v2::QueryOffsetResponse;
                        type Future = BoxFuture<
                            tonic::Response<Self::Response>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<::wire::grpc::v2::QueryOffsetRequest>,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::query_offset(&inner, request).await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = QueryOffsetSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.unary(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/apache.rocketmq.v2.MessagingService/EndTransaction" => {
                    #[allow(non_camel_case_types)]
                    struct EndTransactionSvc<T: MessagingService>(pub Arc<T>);
                    impl<
                        T: MessagingService,
                    > tonic::server::UnaryService<
                        ::wire::grpc::v2::EndTransactionRequest,
                    > for EndTransactionSvc<T> {
                        type Response = ::wire::grpc::v2::EndTransactionResponse;
                        type Future = BoxFuture<
                            tonic::Response<Self::Response>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<
                                ::wire::grpc::v2::EndTransactionRequest,
                            >,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::end_transaction(&inner, request)
                                    .await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = EndTransactionSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.unary(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/apache.rocketmq.v2.MessagingService/Telemetry" => {
                    #[allow(non_camel_case_types)]
                    struct TelemetrySvc<T: MessagingService>(pub Arc<T>);
                    impl<
                        T: MessagingService,
                    > tonic::server::StreamingService<::wire::grpc::v2::TelemetryCommand>
                    for TelemetrySvc<T> {
                        type Response = ::wire::grpc::v2::TelemetryCommand;
                        type ResponseStream = T::TelemetryStream;
                        type Future = BoxFuture<
                            tonic::Response<Self::ResponseStream>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<
                                tonic::Streaming<::wire::grpc::v2::TelemetryCommand>,
                            >,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::telemetry(&inner, request).await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = TelemetrySvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.streaming(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/apache.rocketmq.v2.MessagingService/NotifyClientTermination" => {
                    #[allow(non_camel_case_types)]
                    struct NotifyClientTerminationSvc<T: MessagingService>(pub Arc<T>);
                    impl<
                        T: MessagingService,
                    > tonic::server::UnaryService<
                        ::wire::grpc::v2::NotifyClientTerminationRequest,
                    > for NotifyClientTerminationSvc<T> {
                        type Response = ::wire::grpc::v2::NotifyClientTerminationResponse;
                        type Future = BoxFuture<
                            tonic::Response<Self::Response>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<
                                ::wire::grpc::v2::NotifyClientTerminationRequest,
                            >,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::notify_client_termination(
                                        &inner,
                                        request,
                                    )
                                    .await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = NotifyClientTerminationSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.unary(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/apache.rocketmq.v2.MessagingService/ChangeInvisibleDuration" => {
                    #[allow(non_camel_case_types)]
                    struct ChangeInvisibleDurationSvc<T: MessagingService>(pub Arc<T>);
                    impl<
                        T: MessagingService,
                    > tonic::server::UnaryService<
                        ::wire::grpc::v2::ChangeInvisibleDurationRequest,
                    > for ChangeInvisibleDurationSvc<T> {
                        type Response = ::wire::grpc::v2::ChangeInvisibleDurationResponse;
                        type Future = BoxFuture<
                            tonic::Response<Self::Response>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<
                                ::wire::grpc::v2::ChangeInvisibleDurationRequest,
                            >,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::change_invisible_duration(
                                        &inner,
                                        request,
                                    )
                                    .await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = ChangeInvisibleDurationSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.unary(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/apache.rocketmq.v2.MessagingService/RecallMessage" => {
                    #[allow(non_camel_case_types)]
                    struct RecallMessageSvc<T: MessagingService>(pub Arc<T>);
                    impl<
                        T: MessagingService,
                    > tonic::server::UnaryService<::wire::grpc::v2::RecallMessageRequest>
                    for RecallMessageSvc<T> {
                        type Response = ::wire::grpc::v2::RecallMessageResponse;
                        type Future = BoxFuture<
                            tonic::Response<Self::Response>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<
                                ::wire::grpc::v2::RecallMessageRequest,
                            >,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::recall_message(&inner, request)
                                    .await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = RecallMessageSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.unary(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/apache.rocketmq.v2.MessagingService/SyncLiteSubscription" => {
                    #[allow(non_camel_case_types)]
                    struct SyncLiteSubscriptionSvc<T: MessagingService>(pub Arc<T>);
                    impl<
                        T: MessagingService,
                    > tonic::server::UnaryService<
                        ::wire::grpc::v2::SyncLiteSubscriptionRequest,
                    > for SyncLiteSubscriptionSvc<T> {
                        type Response = ::wire::grpc::v2::SyncLiteSubscriptionResponse;
                        type Future = BoxFuture<
                            tonic::Response<Self::Response>,
                            tonic::Status,
                        >;
                        fn call(
                            &mut self,
                            request: tonic::Request<
                                ::wire::grpc::v2::SyncLiteSubscriptionRequest,
                            >,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move {
                                <T as MessagingService>::sync_lite_subscription(
                                        &inner,
                                        request,
                                    )
                                    .await
                            };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = SyncLiteSubscriptionSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(
                                accept_compression_encodings,
                                send_compression_encodings,
                            )
                            .apply_max_message_size_config(
                                max_decoding_message_size,
                                max_encoding_message_size,
                            );
                        let res = grpc.unary(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                _ => {
                    Box::pin(async move {
                        let mut response = http::Response::new(
                            tonic::body::Body::default(),
                        );
                        let headers = response.headers_mut();
                        headers
                            .insert(
                                tonic::Status::GRPC_STATUS,
                                (tonic::Code::Unimplemented as i32).into(),
                            );
                        headers
                            .insert(
                                http::header::CONTENT_TYPE,
                                tonic::metadata::GRPC_CONTENT_TYPE,
                            );
                        Ok(response)
                    })
                }
            }
        }
    }
    impl<T> Clone for MessagingServiceServer<T> {
        fn clone(&self) -> Self {
            let inner = self.inner.clone();
            Self {
                inner,
                accept_compression_encodings: self.accept_compression_encodings,
                send_compression_encodings: self.send_compression_encodings,
                max_decoding_message_size: self.max_decoding_message_size,
                max_encoding_message_size: self.max_encoding_message_size,
            }
        }
    }
    /// Generated gRPC service name
    pub const SERVICE_NAME: &str = "apache.rocketmq.v2.MessagingService";
    impl<T> tonic::server::NamedService for MessagingServiceServer<T> {
        const NAME: &'static str = SERVICE_NAME;
    }
}
