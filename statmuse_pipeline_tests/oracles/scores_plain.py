"""Every score once more, slowly: plain Python on lists of dictionaries, from raw game-log rows and export rows.

A row of `logs` has GAME_ID, GAME_DATE, PLAYER_ID, MIN, PTS, REB, ... as LeagueGameLog gives them. Nothing
here is imported from the project, so that a shared misunderstanding is the only way for both to be wrong.
"""

import math
import random

STATS = ("PTS", "REB", "AST", "FG3M", "STL", "BLK", "TOV", "PRA")
RUNGS = {
    "PTS": [4.5, 9.5, 14.5, 19.5, 24.5, 29.5, 34.5, 39.5],
    "REB": [1.5, 3.5, 5.5, 7.5, 9.5, 11.5, 13.5, 15.5],
    "AST": [0.5, 2.5, 4.5, 6.5, 8.5, 10.5, 12.5],
    "FG3M": [0.5, 1.5, 2.5, 3.5, 4.5, 5.5],
    "STL": [0.5, 1.5, 2.5],
    "BLK": [0.5, 1.5, 2.5],
    "TOV": [0.5, 1.5, 2.5, 3.5, 4.5],
    "PRA": [9.5, 14.5, 19.5, 24.5, 29.5, 34.5, 39.5, 44.5, 49.5, 54.5, 59.5],
}


def truth(logs):
    """(game, player, stat) -> dict of date, y, baseline for the rows that count."""
    known = {}
    players = sorted({row["PLAYER_ID"] for row in logs})
    for player in players:
        games = [row for row in logs if row["PLAYER_ID"] == player and row["MIN"] > 0]
        games.sort(key=lambda row: (row["GAME_DATE"], row["GAME_ID"]))
        for stat in STATS:
            earlier = []
            for row in games:
                y = row["PTS"] + row["REB"] + row["AST"] if stat == "PRA" else row[stat]
                if len(earlier) >= 10:
                    weights = [0.9**age for age in range(len(earlier))]
                    level = sum(w * v for w, v in zip(weights, reversed(earlier), strict=True)) / sum(weights)
                    known[row["GAME_ID"], player, stat] = {"date": row["GAME_DATE"], "y": y, "baseline": level}
                earlier.append(y)
    return known


def met(rows, known):
    """Export rows that count, with what happened."""
    joined = []
    for row in rows:
        found = known.get((row["game_id"], row["player_id"], row["stat"]))
        if found is not None:
            joined.append({**row, **found})
    return joined


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def forecast_scores(rows):
    """The scores of one stat's forecast rows."""
    errors, base = [r["mean"] - r["y"] for r in rows], [r["baseline"] - r["y"] for r in rows]
    scores = {
        "rows": len(rows),
        "rmse": math.sqrt(mean(e * e for e in errors)),
        "rmse_ratio": math.sqrt(mean(e * e for e in errors)) / math.sqrt(mean(e * e for e in base)),
        "bias": mean(errors),
        "mae": mean(abs(e) for e in errors),
        "mae_ratio": mean(abs(e) for e in errors) / mean(abs(e) for e in base),
        "median_mae_ratio": mean(abs(r["median"] - r["y"]) for r in rows) / mean(abs(e) for e in base),
    }
    for share in (50, 80, 95):
        scores[f"cover{share}"] = mean(1.0 if r[f"lo{share}"] <= r["y"] <= r[f"hi{share}"] else 0.0 for r in rows)
    return scores


def calibration_error(pairs):
    """ECE of (probability, happened) pairs in ten equal bins."""
    bins = [[] for _ in range(10)]
    for p, y in pairs:
        bins[min(int(p * 10), 9)].append((p, y))
    return sum(abs(mean(p for p, _ in b) - mean(y for _, y in b)) * len(b) / len(pairs) for b in bins if b)


def probability_scores(rows):
    """Brier, ECE and log loss of rows with line and p_over; pushes left out."""
    pairs = [(r["p_over"], 1.0 if r["y"] > r["line"] else 0.0) for r in rows if r["y"] != r["line"]]
    return {
        "rows": len(pairs),
        "brier": mean((p - y) ** 2 for p, y in pairs),
        "ece": calibration_error(pairs),
        "log_loss": mean(-math.log(p) if y else -math.log(1 - p) for p, y in pairs),
    }


def on_ladder(rows):
    return [r for r in rows if r["line"] in RUNGS[r["stat"]]]


def implied(price):
    return 100 / (price + 100) if price > 0 else -price / (100 - price)


def market_scores(rows):
    """Model against no-vig market on the same two-sided quotes."""
    used = [r for r in rows if r["y"] != r["line"] and abs(r["over_price"]) >= 100 and abs(r["under_price"]) >= 100]
    model, market, vig, gains = [], [], [], []
    for r in used:
        over, under, y = implied(r["over_price"]), implied(r["under_price"]), 1.0 if r["y"] > r["line"] else 0.0
        model.append((r["p_over"] - y) ** 2)
        market.append((over / (over + under) - y) ** 2)
        vig.append(over + under - 1)
        gains.append(model[-1] - market[-1])
    pairs = [(r["p_over"], 1.0 if r["y"] > r["line"] else 0.0) for r in used]
    return {
        "quotes": len(used), "overround": mean(vig), "brier_market": mean(market), "brier_model": mean(model),
        "ece_model": calibration_error(pairs), "model_minus_market": mean(gains),
    }  # fmt: skip


def crps_by_integral(survival, y, step=1000):
    """Integral of (F(x) - 1[x >= y])^2 over x, by a fine Riemann sum; survival[k] = P(Y > k)."""
    total = 0.0
    for cell in range((len(survival) + 1) * step):
        x = cell / step
        k = int(x)
        above = survival[k] if k < len(survival) else 0.0
        total += ((1 - above) - (1.0 if x >= y else 0.0)) ** 2 / step
    return total


def ratio_interval(numerators, denominators, dates, draws=4000):
    """Percentile interval of a ratio of sums, dates drawn with Python's own generator."""
    days = sorted(set(dates))
    sums = {day: [0.0, 0.0] for day in days}
    for n, d, day in zip(numerators, denominators, dates, strict=True):
        sums[day][0] += n
        sums[day][1] += d
    generator = random.Random(7)
    ratios = []
    for _ in range(draws):
        drawn = generator.choices(days, k=len(days))
        ratios.append(sum(sums[day][0] for day in drawn) / sum(sums[day][1] for day in drawn))
    ratios.sort()
    return ratios[int(0.025 * draws)], ratios[int(0.975 * draws) - 1]
