"""Generated captures: what no recording contains.

`generate(seed, ...)` gives the records of a raw capture (recv_ns, kind, conn_id, text) of two interleaved symbols whose
books and trades move in busy and quiet phases. On their way they are disturbed as a venue and a network can disturb them:
trades out of order within and beyond the watermark, repeated, missing, back-filled, without quantity, of the venue's own
making; books lost, repeated, late, crossed, one-sided, unsorted, with a price twice; T running backward, silences of every
length that means something, a UTC midnight, numbers that do not fit, missing keys, connections lost and opened again, and
REST snapshots that are old, late, unusable or in time. Same seed, same records.
"""
import json
import random

MESSAGE, OPENED, CLOSED, REST = 1, 2, 3, 4
DAY_MS = 86_400_000
EPOCH_MS = 1_700_000_000_000
SYMBOLS = ("AAAUSDT", "BBBUSDT")
SCALE = 10 ** 8
DEPTH_STREAM = {"diff": "depth@100ms", "partial": "depth5@100ms"}
REST_HOST = {"usdm": "https://fapi.binance.com/fapi/v1", "coinm": "https://dapi.binance.com/dapi/v1",
             "spot": "https://api.binance.com/api/v3"}
# Steps of event time in ms: at grid times, between them, equal, and just below and above every limit there is.
BUSY_STEPS = (0, 0, 1, 7, 20, 50, 100)
QUIET_STEPS = (100, 300, 700, 1500, 2000, 2001, 2500, 4000, 4001, 5000, 5001, 6000)
SILENCES = (16_000, 21_000, 70_000, 130_000)


class Market:
    """One symbol: a book of price ticks and a run of trade ids."""

    def __init__(self, name, dice):
        self.name, self.dice = name, dice
        self.tick = dice.choice((10 ** 6, 10 ** 8, 1234))
        self.middle = dice.choice((100, 300, 27_000)) * SCALE // self.tick
        self.sides = ({}, {})
        for i in range(12):
            self.sides[0][self.middle - 1 - i] = dice.randint(1, 50)
            self.sides[1][self.middle + i] = dice.randint(1, 50)
        self.update_id = dice.randint(10 ** 6, 10 ** 7)
        self.trade_id = dice.randint(1, 10 ** 6)

    def text(self, units):
        """Decimal text, padded to eight decimals as spot has it or plain as futures have it."""
        padded = "%d.%08d" % divmod(units, SCALE)
        return padded if self.dice.random() < .5 else padded.rstrip("0").rstrip(".")

    def price(self, ticks):
        return self.text(ticks * self.tick)

    def quantity(self, hundredths):
        return self.text(hundredths * 10 ** 6)

    def best(self, side):
        levels = self.sides[side]
        if not levels:
            return self.middle - 1 + side
        return min(levels) if side else max(levels)

    def levels(self, side, levels):
        """[[price, quantity]], best first."""
        return [[self.price(p), self.quantity(levels[p])] for p in sorted(levels, reverse=not side)]

    def is_proper(self):
        return bool(self.sides[0] and self.sides[1]) and self.best(0) < self.best(1)

    def put(self, changed, side, ticks, quantity):
        if quantity:
            self.sides[side][ticks] = quantity
        else:
            self.sides[side].pop(ticks, None)
        changed[side][ticks] = quantity

    def stir(self, changed):
        """A few changes that keep the book proper, now and then at the best level."""
        dice = self.dice
        for _ in range(dice.randint(1, 4)):
            side = dice.randrange(2)
            levels = self.sides[side]
            if dice.random() >= .12:
                away = dice.randint(0, 12)
                self.put(changed, side, self.best(side) + (away if side else -away),
                         0 if dice.random() < .2 else dice.randint(1, 50))
            elif side == 0 and dice.random() < .5:
                if self.best(0) + 1 < self.best(1):
                    self.put(changed, 0, self.best(0) + 1, dice.randint(1, 50))
            elif len(levels) > 3:
                self.put(changed, side, self.best(side), 0)

    def spoil(self, changed):
        """One side empty, or a bid at or above the best ask."""
        if self.dice.random() < .5:
            side = self.dice.randrange(2)
            for ticks in list(self.sides[side]):
                self.put(changed, side, ticks, 0)
        else:
            self.put(changed, 0, self.best(1) + self.dice.randint(0, 2), 7)

    def mend(self, changed):
        for ticks in [t for t in self.sides[0] if t >= self.best(1)]:
            self.put(changed, 0, ticks, 0)
        for side in (0, 1):
            for k in range(4 if len(self.sides[side]) < 4 else 0):
                self.put(changed, side, self.best(1) - 1 - k if side == 0 else self.best(0) + 1 + k,
                         self.dice.randint(1, 50))


class Generator:
    def __init__(self, seed, market, source, trade, count, disturb):
        self.dice = random.Random(seed)
        self.market, self.source, self.trade, self.count, self.disturb = market, source, trade, count, disturb
        to_midnight = DAY_MS - EPOCH_MS % DAY_MS
        self.t = EPOCH_MS + (self.dice.randint(0, 50_000) if self.dice.random() < .5
                             else to_midnight - self.dice.randint(20_000, 90_000))
        self.begin = self.t
        self.markets = [Market(name, self.dice) for name in SYMBOLS]
        self.records = []

    def chance(self, probability):
        return self.dice.random() < probability * self.disturb

    # -- what the venue says, in its order
    def book_message(self, market, times):
        dice, changed, first = self.dice, ({}, {}), market.update_id + 1
        if self.chance(.004):
            market.spoil(changed)
        elif not market.is_proper() and dice.random() < .5:
            market.mend(changed)
        elif market.is_proper():
            market.stir(changed)
        market.update_id += dice.randint(1, 9)
        if self.source == "partial":
            sides = [market.levels(side, market.sides[side])[:5] for side in (0, 1)]
            self.spoil_top(sides)
        else:
            sides = [market.levels(side, changed[side]) for side in (0, 1)]
        data = {"e": "depthUpdate", **times, "s": market.name, "U": first, "u": market.update_id, "pu": first - 1,
                "b": sides[0], "a": sides[1]}
        if self.market == "spot":
            del data["pu"], data["T"]
            data["E"] = times["T"]
        if self.market == "coinm":
            data["ps"] = market.name
        return DEPTH_STREAM[self.source], data, (market.update_id, dict(market.sides[0]), dict(market.sides[1]))

    def spoil_top(self, sides):
        """A complete top with a price twice, out of order, or cut short."""
        dice = self.dice
        if self.chance(.01) and len(sides[0]) > 1:
            sides[0][1] = [sides[0][0][0], "1.5"]
        if self.chance(.01):
            dice.shuffle(sides[1])
        if self.chance(.005):
            del sides[1][dice.randint(0, 3):]

    def trade_message(self, market, times):
        dice = self.dice
        market.trade_id += 1
        ticks = market.best(dice.randrange(2)) * (2 if dice.random() < .002 else 1)
        size = dice.choice((dice.randint(1, 9), dice.randint(1, 9), dice.randint(1, 400)))
        data = {"e": self.trade, **times, "s": market.name, "p": market.price(ticks),
                "q": market.quantity(0 if self.chance(.004) else size), "m": dice.random() < .5}
        if self.trade == "aggTrade":
            data.update(a=market.trade_id, f=3 * market.trade_id, l=3 * market.trade_id + 2,
                        nq=market.quantity(max(0, size - dice.randint(0, 3))))
        else:
            data["t"] = market.trade_id
            if self.market != "spot":
                data["X"] = "INSURANCE_FUND" if self.chance(.01) else "MARKET"
        return self.trade, data, None

    def step(self, is_busy):
        dice = self.dice
        if self.chance(.001):
            return dice.choice(SILENCES)
        if is_busy:
            return dice.choice(BUSY_STEPS + (100 - self.t % 100,))
        return dice.choice(QUIET_STEPS) if dice.random() < .3 else dice.randint(20, 700)

    def messages(self):
        """(market, stream, data, book behind it or None, receive time) in the venue's order."""
        dice, is_busy, phase_end, said = self.dice, True, self.t, []
        for _ in range(self.count):
            if self.t >= phase_end:
                is_busy, phase_end = not is_busy, self.t + dice.randint(5000, 40_000)
            self.t += self.step(is_busy)
            market = dice.choice(self.markets)
            t = self.t - (dice.choice((1, 30, 60, 200, 3000)) if self.chance(.01) else 0)
            times = {"E": t + dice.randint(0, 5), "T": t}
            recv_ms = self.t + dice.randint(0, 60)
            if dice.random() < .55:
                said.append((market, *self.book_message(market, times), recv_ms))
            else:
                for _ in range(dice.choice((1, 1, 1, 2, 3))):
                    said.append((market, *self.trade_message(market, times), recv_ms))
        return said

    # -- what arrives, and when
    def arrivals(self, said):
        dice, out = self.dice, []
        for place, message in enumerate(said):
            is_book = message[3] is not None
            if self.chance(.004 if is_book else .015):
                continue
            late = not is_book or self.source == "partial"
            delay = dice.choice((1, 2, 5, 20, 60, 200)) if late and self.chance(.03) else 0
            out.append((place + delay, place, message))
            if self.chance(.015):
                out.append((place + dice.choice((0, 1, 3, 30, 400)), place + .5, message))
        return [message for _, _, message in sorted(out, key=lambda item: item[:2])]

    def append(self, recv_ms, kind, conn, text):
        self.records.append((recv_ms * 1_000_000, kind, conn, text))

    def append_message(self, recv_ms, conn, market, stream, data):
        items = list(data.items())
        if self.dice.random() < .2:
            self.dice.shuffle(items)
        if self.chance(.001):
            items = [item for item in items if item[0] != "E"]
        if self.chance(.001) and "p" in data:
            items = [(key, value + "000000001" if key == "p" else value) for key, value in items]
        text = json.dumps({"stream": f"{market.name.lower()}@{stream}", "data": dict(items)}, separators=(",", ":"))
        self.append(recv_ms, MESSAGE, conn, text)

    def append_snapshot(self, recv_ms, market, books):
        update_id, bids, asks = books[-min(self.dice.choice((1, 1, 1, 2, 3, 30, len(books))), len(books))]
        if self.dice.random() < .1:
            update_id -= 10 ** 5  # from before the stream: it bridges nothing
        body = {"lastUpdateId": update_id, "E": recv_ms, "T": recv_ms, "bids": market.levels(0, bids),
                "asks": market.levels(1, asks)}
        text = "not json" if self.chance(.02) else json.dumps(body)
        self.append(recv_ms, REST, 0, f"{REST_HOST[self.market]}/depth?symbol={market.name}&limit=1000\n{text}")

    def append_backfill(self, recv_ms, market, trades):
        """The venue's answer about ids near the newest: some of them had been lost, most had not."""
        keys = ("a", "p", "q", "nq", "f", "l", "T", "m")
        body = [{key: data[key] for key in keys} for data in trades[-self.dice.randint(1, 12):]]
        self.append(recv_ms, REST, 0, f"{REST_HOST[self.market]}/aggTrades?symbol={market.name}"
                                      f"&fromId={body[0]['a']}&limit=1000\n{json.dumps(body)}")

    def url(self):
        streams = [f"{m.name.lower()}@{kind}" for m in self.markets for kind in (DEPTH_STREAM[self.source], self.trade)]
        return "wss://venue/stream?streams=" + "/".join(streams)

    def run(self):
        said = self.messages()
        trades = {m.name: [s[2] for s in said if s[0] is m and s[3] is None] for m in self.markets}
        begins = {m.name: self.dice.choice((0, 1, 20, 60)) for m in self.markets}
        books = {m.name: [] for m in self.markets}
        conn, recv_ms = 1, self.begin
        self.append(recv_ms, OPENED, conn, self.url())
        for number, (market, stream, data, book, at_ms) in enumerate(self.arrivals(said)):
            recv_ms = max(recv_ms, at_ms)
            self.append_message(recv_ms, conn, market, stream, data)
            if book:
                books[market.name].append(book)
            if self.chance(.001):
                self.append(recv_ms, CLOSED, conn, self.dice.choice(("1006", "ping timeout")))
                conn += 1
                self.append(recv_ms + self.dice.randint(0, 900), OPENED, conn, self.url())
            for other in self.markets if self.source == "diff" else ():
                enough = len(books[other.name]) > begins[other.name]
                if enough and (len(books[other.name]) == begins[other.name] + 1 or self.chance(.01) or number % 150 == 149):
                    self.append_snapshot(recv_ms, other, books[other.name])
            if self.trade == "aggTrade" and self.chance(.02):
                seen = [d for d in trades[market.name] if d["T"] <= data.get("T", data["E"])]
                if seen:
                    self.append_backfill(recv_ms, market, seen)
        return self.records


def generate(seed, market="usdm", source="diff", trade="aggTrade", count=1500, disturb=1.0):
    """The records of one capture. disturb 0: an undisturbed market."""
    return Generator(seed, market, source, trade, count, disturb).run()
