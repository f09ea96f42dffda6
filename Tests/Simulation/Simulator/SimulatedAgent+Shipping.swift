import AgentCore
import LedgerCore
import SyncProtocol

/// The thread that ships, as `Shipper` has it.
extension SimulatedAgent {
    func ship() {
        let arrived = reports
        reports = []
        for item in arrived { perform(handle(item)) }
    }

    private func handle(_ item: Report) -> [OutboxSession.Action] {
        switch item {
        case .appended(let head, let byteCount):
            self.head = head
            return session.appended(head, byteCount: byteCount)
        case .unusable(let number, let sessionNumber):
            inbox.unusable(number, session: sessionNumber)
        case .wanted(let account):
            inbox.want(account)
        case .prepared(let number, let found, let hasAnnounced, let byteCount):
            backlogBytes = byteCount
            return session.prepared(
                session: number, resume: found, hasAnnounced: hasAnnounced,
                oldestRetained: contents.oldestRetained, unsentBytes: byteCount, now: now.steady,
                &random)
        case .promised(let time, let acknowledged): sayWatermark(time, acknowledged: acknowledged)
        }
        return []
    }

    func tickShipper() {
        perform(session.tick(now: now.steady, &random))
        held = session.held ?? held
        askForAccounts()
        askForWatermark()
    }

    // MARK: Messages in

    func received(_ packet: Packet) {
        let frame: Frame
        let message: Message
        do {
            frame = try Frame(decoding: packet.bytes)
            guard let known = try Message(frame) else { return world.mark(.unknownFrame) }
            message = known
        } catch { return world.mark(.brokenFrame) }
        perform(answer(message, frame.session))
        held = session.held ?? held
    }

    private func answer(_ message: Message, _ number: UInt64) -> [OutboxSession.Action] {
        let tag = contents.tag
        switch message {
        case .welcome(let welcome):
            if session.awaits(welcome.nonce) { see(welcome.hub) }
            return session.welcomed(welcome)
        case .ack(let ack) where ack.stream == tag:
            return session.acknowledged(ack, session: number, now: now.steady, &random)
        case .needs(let needs) where needs.stream == tag:
            return session.needed(needs, session: number)
        case .needsDefinitions(let needs) where needs.stream == tag:
            return session.neededDefinitions(needs, session: number)
        case .accountSnapshot(let snapshot):
            inbox.follow(session: session.streamingSession, of: contents.tag, hub: seen.hub)
            guard inbox.received(snapshot, session: number) else { return [] }
            post(.snapshot(snapshot, session: number))
        case .hub(let notice) where notice.isUp:
            session.aggregatorCameUp(now: now.steady, &random)
        default: break
        }
        return []
    }

    private func see(_ seen: Seen) {
        world.mark(.sawHub)
        guard seen != self.seen else { return }
        self.seen = seen
        post(.see(seen))
    }

    // MARK: Actions out

    func perform(_ actions: [OutboxSession.Action]) {
        var queue = actions[...]
        while let action = queue.popFirst() {
            let following = perform(action)
            if !following.isEmpty { queue = following + queue }
        }
    }

    private func perform(_ action: OutboxSession.Action) -> [OutboxSession.Action] {
        world.note { "    \(self.id) \(Words.action(action))" }
        switch action {
        case .sendHello(let nonce, let lastSession): sendHello(nonce, lastSession)
        case .prepare(let number, let leaves, let announced):
            post(.session(number, leaves: leaves, announced: announced))
        case .sendProof(let challenge, let number, let proof): sendProof(challenge, number, proof)
        case .sendSegments(let number, let after, let through, let byteCountMax):
            return sendSegments(number, after, through, byteCountMax)
        case .locate(let places):
            world.mark(.wentBack)
            let found = places.filter { contents.isInChain($0) }
                .max { $0.sequence < $1.sequence }
            return session.rewound(
                to: found, of: places,
                unsentBytes: contents.byteCount(behind: found?.sequence ?? 0), now: now.steady,
                &random)
        case .sendDefinitions(let number, let needs): sendDefinitions(number, needs)
        case .progress(let progress):
            if progress.ack.through.sequence > progress.released { release(progress.ack) }
        case .end(let finding):
            world.mark(.streamStopped)
            world.accused(self, finding)
            post(.stop)
        case .hold:
            world.mark(.streamHeld)
        case .refuse: world.mark(.acknowledgementRefused)
        }
        return []
    }

    private func publish(_ message: Message, session: UInt64, signature: Signature? = nil) -> Bool {
        let frame = message.framed(session: session, signature: signature)
        return world.publish(device.number, .up(name), frame.encoded())
    }

    private func publishSigned(_ message: Message, session: UInt64) {
        let content = message.framed(session: session).signedContent(hasher)
        _ = publish(message, session: session, signature: signer.sign(content))
    }

    private func sendHello(_ nonce: [UInt8], _ lastSession: UInt64) {
        world.mark(.helloSent)
        let hello = Hello(
            nonce: nonce, lastSession: lastSession, head: head, acknowledged: acknowledged,
            seen: seen, oldestRetained: contents.oldestRetained, softwareVersion: "simulated",
            genesis: contents.genesis)
        greeting = hello.digest(hasher)
        _ = publish(.hello(hello), session: 0)
    }

    private func sendProof(_ challenge: [UInt8], _ number: UInt64, _ proof: Proof) {
        world.mark(.proofSent)
        world.checkProof(self, session: number, head: proof.head)
        guard let greeting else { return }
        let content = proof.signedContent(
            challenge: challenge, greeting: greeting, session: number)
        _ = publish(.proof(proof), session: number, signature: signer.sign(content))
    }

    private func sendSegments(
        _ number: UInt64, _ after: UInt64, _ through: UInt64, _ byteCountMax: Int
    ) -> [OutboxSession.Action] {
        var stored: [SealedSegment] = []
        var byteCount = 0
        for sealed in contents.segments[contents.index(behind: after)...] {
            byteCount += SegmentsMessage.byteCount(ofSegment: sealed.segment.bytes.count)
            guard byteCount <= byteCountMax, sealed.end.sequence <= through else { break }
            stored.append(sealed)
        }
        guard let last = stored.last else { return [] }
        let tag = contents.tag
        let message = SegmentsMessage(
            stream: tag, sentAt: now.wall, attempt: session.attemptOfNext,
            segments: stored.map(\.segment.bytes))
        let content = SegmentsMessage.signedContent(
            session: number, stream: tag, lastHash: last.hash)
        let signature = signer.sign(content)
        guard publish(.segments(message), session: number, signature: signature) else { return [] }
        world.mark(session.attemptOfNext > 1 ? .segmentsResent : .segmentsSent)
        return session.sent(
            ends: stored.map(\.end),
            byteCount: stored.reduce(0) { $0 + $1.segment.bytes.count }, at: now.wall)
    }

    private func sendDefinitions(_ number: UInt64, _ needs: NeedsDefinitions) {
        world.mark(.definitionsSent)
        let definitions = contents.definitions.dropFirst(Int(needs.first)).prefix(
            Int(needs.through) - Int(needs.first))
        publishSigned(
            .definitions(
                DefinitionsMessage(
                    stream: contents.tag, segment: needs.segment, first: needs.first,
                    definitions: Array(definitions), isLast: true)), session: number)
    }

    private func release(_ ack: Ack) {
        world.mark(.released)
        world.checkRelease(self, ack.through)
        let bytes = contents.segments[contents.index(behind: acknowledged.sequence)...]
            .prefix { $0.end.sequence <= ack.through.sequence }
            .reduce(0) { $0 + $1.segment.bytes.count }
        backlogBytes -= min(backlogBytes, bytes)
        acknowledged = ack.through
        post(.receipt(through: ack.through.sequence))
    }

    // MARK: Accounts and watermarks

    private func askForAccounts() {
        inbox.follow(session: session.streamingSession, of: contents.tag, hub: seen.hub)
        let isCaughtUp = backlogBytes < limits.ownTailBytesMax / 2
        guard
            let ask = inbox.tick(
                now: now.steady, isCaughtUp: isCaughtUp, stream: contents.tag, &random)
        else { return }
        world.mark(ask.request.wantsAll ? .snapshotAskedFor : .accountWanted)
        publishSigned(.accountRequest(ask.request), session: ask.session)
    }

    private func askForWatermark() {
        switch watermarks.tick(
            session.confirmed, head: head.sequence, now: now.steady, &random)
        {
        case .promise(let acknowledged): post(.promise(acknowledged: acknowledged))
        case .lookUp(let acknowledged):
            world.mark(.watermarkLookedUp)
            let index = contents.index(behind: acknowledged)
            let next = index < contents.segments.count ? contents.segments[index] : nil
            sayWatermark(next?.segment.timeBefore, acknowledged: acknowledged)
        case nil: break
        }
    }

    private func sayWatermark(_ time: HybridTimestamp?, acknowledged: UInt64) {
        guard
            let statement = watermarks.found(
                time, acknowledged: acknowledged, session.confirmed, now: now.steady)
        else { return }
        publishSigned(
            .watermark(
                Watermark(
                    stream: contents.tag, acknowledged: statement.confirmed.acknowledged,
                    through: statement.through, sentAt: now.wall)),
            session: statement.confirmed.session)
    }
}
