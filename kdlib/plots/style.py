"""One look for all figures: colour-blind-safe colours (Okabe & Ito 2008), the same for a role throughout."""

import matplotlib.pyplot as plt
import seaborn as sns
from IPython.display import Markdown, display
from matplotlib.figure import Figure

GREY = "#555555"  # notes, and marks that stand for all colours
ROLES = {
    "baseline": "#555555",
    "ablation": "#AAAAAA",
    "teacher": "#0072B2",
    "best": "#009E73",
    "worst": "#D55E00",
}


def shades(count: int) -> list[str]:
    """Colours for the values of a quantity, from low (dark) to high."""
    return sns.color_palette("viridis", count).as_hex()


def theme() -> None:
    """To be called once in a notebook, before its first figure."""
    sns.set_theme(
        context="notebook",
        style="ticks",
        rc={
            "axes.grid": True,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": "medium",
            "axes.titleweight": "bold",
            "figure.constrained_layout.use": True,
            "figure.dpi": 110,
            "font.size": 10,
            "grid.color": "#e6e6e6",
            "legend.frameon": False,
            "savefig.bbox": "tight",
        },
    )


def show(figure: Figure, sentence: str) -> None:
    """The figure, and under it the sentence that says what to see; in a report it is also the image's description."""
    display(figure)
    plt.close(figure)  # or the notebook would show it a second time
    display(Markdown(sentence))
