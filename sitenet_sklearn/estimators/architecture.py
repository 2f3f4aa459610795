"""Parameters of an estimator that say what network it trains."""

SIZES = ("embedding_dim", "site_dim", "interaction_dim", "n_heads", "n_blocks")
LAYERS = ("attention_hidden_layers", "pre_pool_layers", "post_pool_layers")
ARCHITECTURE = (*SIZES, *LAYERS, "activation", "normalization", "pooling", "cutoff", "clamp", "dropout")


class Architecture:
    """What estimators of a Site-Net do with the parameters of its architecture."""

    def set_params(self, **params):
        """Set parameters; of layers also `<name>__width` and `<name>__depth`, all layers equally wide.

        Examples
        --------
        >>> from sitenet_sklearn import SiteNetRegressor
        >>> SiteNetRegressor().set_params(post_pool_layers__width=64, post_pool_layers__depth=2).post_pool_layers
        (64, 64)
        """
        for name in LAYERS:
            width, depth = (params.pop(f"{name}__{part}", None) for part in ("width", "depth"))
            if width is not None or depth is not None:
                layers = params.get(name, getattr(self, name))
                if width is None and not layers:
                    raise ValueError(f"{name} holds no layer whose width could be kept: set {name}__width as well")
                params[name] = (layers[0] if width is None else width,) * (len(layers) if depth is None else depth)
        return super().set_params(**params)

    def architecture(self):
        """Return the arguments of `SiteNet` that are parameters, as a dict."""
        values = {name: getattr(self, name) for name in ARCHITECTURE}
        return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
